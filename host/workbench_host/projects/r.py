"""A project in R: a library of its own by renv (renv.lock), an R Markdown report, a project file of RStudio.

The packages that the host has (Debian's) are seen beside the project's library, and are in renv.lock: nothing is
downloaded. Elsewhere `renv::restore()` gets the same versions from CRAN.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

LOCK = "renv.lock"
IGNORED = ".Rproj.user/\n.Rhistory\n.RData\n*.html\n"
REPORT = "report/report.Rmd"
SCHEDULED = f'"Rscript -e \'rmarkdown::render(\\"{REPORT}\\")\'"'  # what a schedule is told to run

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
# The second is run in the project, whose .Rprofile loads its library.
_INIT = """\
options(renv.consent = TRUE)
renv::init(project = ".", bare = TRUE, load = FALSE, restart = FALSE,
           settings = list(external.libraries = "{site}", use.cache = {cache}))
"""
_SNAPSHOT = "renv::snapshot(prompt = FALSE)"
SITE = "/usr/lib/R/site-library"  # Debian's packages of R


def files(target: Path) -> Mapping[str, str]:
    """The project's files of this language by their paths."""
    return {
        f"{target.name}.Rproj": _RPROJ,
        "R/analysis.R": _CODE,
        "R/run.R": _SCRIPT,
        "tests/test_analysis.R": _TEST,
        REPORT: _REPORT.format(name=target.name),
    }


def readme(target: Path) -> str:
    return _RUN.format(name=target.name)


def commands(_: Path, shared: bool) -> Iterator[tuple[str, list[list[str]], dict[str, str]]]:
    """(what it makes, ways to make it, variables). In a shared folder the library has no links into a user's cache."""
    script = _INIT.format(site=SITE, cache="FALSE" if shared else "TRUE")
    yield "the library of the project", [["Rscript", "--no-init-file", "-e", script]], {}
    yield f"{LOCK}, with the version of each package", [["Rscript", "-e", _SNAPSHOT]], {}
