"""R on a real host: which R people get, on which BLAS, what they add themselves, and further versions by setting."""

from pathlib import Path

import pytest

from lab.visitor import R, Visitor
from tests.standins import debs
from tests.standins.mirror import mirror, put
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

PACKAGES = "tidyverse", "data.table", "rmarkdown", "RSQLite", "survival", "IRkernel"
# A source package as small as one can be, in a repository of its own; R's own tools build both.
REPOSITORY = """
mkdir -p /run/repository/src/contrib /run/repository/tiny/R && cd /run/repository
cat > tiny/DESCRIPTION <<END
Package: tiny
Version: 1.0
Title: T
Description: D.
Author: A
Maintainer: A <a@example.org>
License: GPL-3
END
echo 'export(answer)' > tiny/NAMESPACE && echo 'answer <- function() 5 * 4' > tiny/R/tiny.R
R CMD build tiny > /dev/null && mv tiny_1.0.tar.gz src/contrib/ && chmod -R a+rX .
Rscript -e 'tools::write_PACKAGES("src/contrib", type = "source")'
"""


def visit(workbench: Workbench, user: str = "ada") -> Visitor:
    visitor = Visitor(workbench.url, workbench.ca)
    visitor.login(user, workbench.password(user))
    visitor.spawn()
    return visitor


def test_an_r_notebook_computes_with_openblas_and_all_packages_that_are_promised(
    workbench: Workbench,
) -> None:
    with visit(workbench) as visitor:
        assert visitor.run_code("5 * 4", kernel=R).strip() == "[1] 20"
        assert "openblas" in visitor.run_code('cat(extSoftVersion()[["BLAS"]])', kernel=R)
        wanted = ", ".join(f'"{name}"' for name in PACKAGES)
        absent = f"cat(setdiff(c({wanted}), rownames(installed.packages())))"
        assert visitor.run_code(absent, kernel=R) == ""
        assert "Python" not in visitor.run_code("library(tidyverse); cat(R.version.string)", kernel=R)


def test_packages_come_as_binaries_and_into_ones_own_library_without_asking(workbench: Workbench) -> None:
    workbench.ssh(REPOSITORY)
    try:
        with visit(workbench, "grace") as visitor:
            told = 'cat(getOption("repos")[["CRAN"]], getOption("HTTPUserAgent"))'
            told = visitor.run_code(told, kernel=R)
            assert told.startswith("https://packagemanager.posit.co/cran/__linux__/trixie/latest R/4.")
            assert "x86_64-pc-linux-gnu" in told
            install = 'install.packages("tiny", repos = "file:///run/repository", quiet = TRUE)'
            visitor.run_code(install, kernel=R)
            where = visitor.run_code('cat(tiny::answer(), dirname(find.package("tiny")))', kernel=R)
            assert where.startswith("20 /home/grace/R/")
    finally:
        workbench.ssh("rm -rf /run/repository /home/grace/R/*/*/tiny")


def test_a_further_version_is_refused_when_it_is_not_there_and_a_kernel_when_it_is(
    workbench: Workbench, tmp_path: Path
) -> None:
    build = debs.r_build(tmp_path)
    name, kernels = f"r-{debs.R_VERSION}", "/usr/local/share/jupyter/kernels"
    services = {"r": {"versions": [{"version": debs.R_VERSION, "sha256": build.sha256}]}}
    changes = {"services": services, "mirrors": {"r": "http://127.0.0.1:8999"}}
    with mirror(workbench, {}), workbench.settings(**changes) as refused:
        assert refused.status != 0
        assert f"There is no R {debs.R_VERSION} at http://127.0.0.1:8999/{name}_1_amd64.deb (status 404)" in (
            refused.output
        )
        assert "services.r.versions[0] has to be a version that exists, mirrors.r a place" in refused.output
        assert "Traceback" not in refused.output
        assert (
            workbench.ssh(f"ls /opt/R {kernels} /var/cache/workbench", check=False).stdout.count("4.0.1") == 0
        )

        put(workbench, f"{name}_1_amd64.deb", build.file.read_bytes())
        applied = workbench.apply()
        assert applied.status == 0, applied.output
        assert applied.changed == ["r | Further versions of R", *applied.changed[1:]]
        with visit(workbench) as visitor:
            assert visitor.run_code("5 * 4", kernel=name).strip() == "[1] 20"
            assert visitor.run_code("cat(commandArgs()[[1]])", kernel=name) != ""
        profile = workbench.ssh(f"readlink -f /opt/R/{debs.R_VERSION}/lib/R/etc/Rprofile.site").stdout
        assert profile.strip() == "/etc/R/Rprofile.site"
    assert workbench.ssh(f"ls {kernels}; ls /opt/R").stdout.count("4.0.1") == 0
    assert workbench.ssh(f"dpkg -l {name} | grep -c ^ii", check=False).stdout.strip() in ("", "0")


def test_switched_off_r_is_no_kernel_and_its_packages_stay(workbench: Workbench) -> None:
    with workbench.settings(services={"r": {"enabled": False}}) as applied:
        assert applied.status == 0, applied.output
        assert "ir" not in workbench.ssh("ls /usr/local/share/jupyter/kernels").stdout.split()
        assert workbench.ssh("Rscript -e 'cat(5 * 4)'").stdout == "20"
