"""A project in R: a library of its own by renv (renv.lock), an R Markdown report, a project file of RStudio.

renv takes the packages that the host has (Debian's) into the project's library, and asks CRAN for none of those.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

LOCK = "renv.lock"
IGNORED = ".Rproj.user/\n.Rhistory\n.RData\n*.html\n"
REPORT = "report/report.Rmd"

_RPROJ = """\
Version: 1.0

RestoreWorkspace: No
SaveWorkspace: No
AlwaysSaveHistory: No

EnableCodeIndexing: Yes
UseSpacesForTab: Yes
NumSpacesForTab: 2
Encoding: UTF-8
"""
_CODE = """\
# What this project computes. The report and the tests source it.

read_counts <- function(path = "data/raw/example.csv") read.csv(path)

# How many at each site, the most first.
by_site <- function(data) {
  found <- aggregate(count ~ site, data, sum)
  found[order(-found$count), ]
}
"""
_SCRIPT = """\
# Rscript R/run.R: data/derived/by_site.csv
source("R/analysis.R")
result <- by_site(read_counts())
write.csv(result, "data/derived/by_site.csv", row.names = FALSE)
print(result, row.names = FALSE)
"""
_TEST = """\
# Rscript tests/test_analysis.R
source("R/analysis.R")
data <- read_counts()
stopifnot(sum(by_site(data)$count) == sum(data$count))
cat("all are counted\\n")
"""
_REPORT = """\
---
title: "{name}"
output: html_document
---

```{{r, include = FALSE}}
knitr::opts_knit$set(root.dir = normalizePath(".."))
```

```{{r}}
source("R/analysis.R")
result <- by_site(read_counts())
knitr::kable(result, row.names = FALSE)
barplot(result$count, names.arg = result$site)
```
"""
_RUN = """\
    Rscript -e 'renv::restore()'                              # the library, just as renv.lock has it
    Rscript tests/test_analysis.R                             # the tests
    Rscript R/run.R                                           # data/derived/by_site.csv
    Rscript -e 'rmarkdown::render("report/report.Rmd")'       # the report, as HTML
    Rscript -e 'renv::install("sf"); renv::snapshot()'        # another package, into renv.lock

In RStudio open {name}.Rproj; `renv::snapshot()` writes what the code uses into renv.lock.
"""
# With `load` the library would be this process's as well. IRkernel is what notebooks of R need.
_INIT = """\
options(renv.consent = TRUE, renv.config.auto.snapshot = FALSE, renv.config.install.transactional = FALSE)
shared <- {shared}
renv::init(project = ".", bare = TRUE, load = FALSE, restart = FALSE, settings = list(use.cache = !shared))
library <- renv::paths$library(project = ".")
found <- setdiff(unique(renv::dependencies(".", quiet = TRUE)$Package), "renv")
renv::hydrate(c(found, "IRkernel"), library = library, project = ".", prompt = FALSE)
renv::snapshot(project = ".", library = library, prompt = FALSE)
"""


def files(name: str) -> Mapping[str, str]:
    """The project's files of this language by their paths."""
    return {
        f"{name}.Rproj": _RPROJ,
        "R/analysis.R": _CODE,
        "R/run.R": _SCRIPT,
        "tests/test_analysis.R": _TEST,
        REPORT: _REPORT.format(name=name),
    }


def readme(name: str) -> str:
    return _RUN.format(name=name)


def commands(_: Path, __: str, shared: bool) -> Iterator[tuple[str, list[list[str]], dict[str, str]]]:
    """(what it makes, ways to make it, variables). In a shared folder the library has no links into a user's cache."""
    script = _INIT.format(shared="TRUE" if shared else "FALSE")
    yield (
        f"the library, and {LOCK} with the version of each package",
        [["Rscript", "--no-init-file", "-e", script]],
        {},
    )
