"""R: Debian's, on OpenBLAS and with packages as binaries, a kernel of every notebook; further versions beside it.

Debian's packages are for all; what people install goes into a library of their own, from the binary repository of
`mirrors.cran`. Further versions are Posit's builds in /opt/R/<version> (workbench_host/r_versions.py).
"""

import json
from dataclasses import asdict

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, programs
from deploy.service import Service
from workbench import versions
from workbench.settings import Mirrors, Settings
from workbench.settings.services import R
from workbench.stack import Context
from workbench_host.kernels import KERNELS
from workbench_host.packages import Package
from workbench_host.team.libraries import PACKAGES

KERNEL = f"{KERNELS}/ir"
PROFILE = "/etc/R/Rprofile.site"
ENVIRONMENT = "/etc/R/Renviron.site"
FURTHER_ENVIRONMENT = f"{programs.CONFIG}/r/Renviron.site"
ELSEWHERE = f"{programs.CONFIG}/r/elsewhere.R"
LIBRARIES = f"{programs.CONFIG}/r/libraries.R"
MAKE = f"{programs.FOLDER}/make"
VERSIONS = f"{programs.CONFIG}/r/versions.json"
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}

_PACKAGES = (
    "libopenblas0-pthread",  # R takes the host's BLAS; the plain one is several times slower
    "r-base-core",
    "r-recommended",
    "r-cran-data.table",
    "r-cran-irkernel",
    "r-cran-renv",  # with which workbench-project makes a project's library
    "r-cran-rmarkdown",
    "r-cran-rodbc",  # databases: docs/data.md
    "r-cran-rpostgresql",
    "r-cran-rsqlite",
    "r-cran-tidyverse",
)


def packages(settings: Settings) -> tuple[str, ...]:
    """Debian's packages, 185 MB to download; none where the service is off."""
    return _PACKAGES if settings.services.r.enabled else ()


@deploy("r")
def r(context: Context) -> None:
    """Profile and kernel of Debian's R, and the further versions; with the service off, no kernel of R."""
    service, mirrors = context.settings.services.r, context.settings.mirrors
    if service.enabled:
        files.copy("r/elsewhere.R", ELSEWHERE)
        files.copy("r/Renviron.site", ENVIRONMENT)
        files.copy("r/Renviron.further", FURTHER_ENVIRONMENT)
        files.copy("r/make", MAKE, mode="755", validate="sh -n {}")
        files.template("r/libraries.R.j2", LIBRARIES, variables={"packages": PACKAGES})
        variables = {"cran": mirrors.r_packages, "elsewhere": ELSEWHERE, "libraries": LIBRARIES}
        files.template("r/Rprofile.site.j2", PROFILE, variables=variables)
        files.template(
            "r/kernel.json.j2",
            f"{KERNEL}/kernel.json",
            variables={"program": "/usr/bin/R", "title": "R"},
            validate="python3 -m json.tool {} > /dev/null",
        )
    else:
        host_files.directory(path=KERNEL, present=False, name=f"No {KERNEL}")
    content = files.Content(further(service, mirrors, context.outputs.architecture).encode())
    files.put(content=content, dest=VERSIONS, name=VERSIONS)
    programs.run(program="r-versions", reads=VERSIONS, name="Further versions of R")


def further(service: R, mirrors: Mirrors, architecture: str) -> str:
    """The further versions as the host's program reads them; none where the service is off."""
    debian = DEBIAN_ARCHITECTURES[architecture]
    wanted = [
        Package(
            name=f"r-{one.version}",
            title=f"R {one.version}",
            address=f"{mirrors.r or versions.R_BUILDS}/r-{one.version}_1_{debian}.deb",
            sha256=one.sha256 or versions.R_SHA256[one.version],
            mirror="mirrors.r",
            setting=f"services.r.versions[{index}]",
        )
        for index, one in enumerate(service.versions)
    ]
    listed = [asdict(package) for package in wanted] if service.enabled else []
    return json.dumps({"cran": mirrors.r_packages, "packages": listed}, indent=1) + "\n"


SERVICE = Service(r, packages)
