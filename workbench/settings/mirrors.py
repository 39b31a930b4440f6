"""Where the host's downloads come from."""

from pydantic import Field

from workbench import versions
from workbench.settings.section import Section, Url


class Mirrors(Section):
    """Where downloads come from, one address for each kind; unset means the public one."""

    debian: Url | None = Field(None, description="Debian archive in place of http://deb.debian.org/debian")
    debian_security: Url | None = Field(
        None, description="Debian security archive in place of http://deb.debian.org/debian-security"
    )
    pypi: Url | None = Field(
        None, description="Python index (simple API) in place of https://pypi.org/simple"
    )
    npm: Url | None = Field(None, description="npm registry in place of https://registry.npmjs.org")
    docker: Url | None = Field(
        None, description="mirror of Docker Hub in place of https://registry-1.docker.io"
    )
    cran: Url | None = Field(
        None, description=f"R package repository, best one with binaries, in place of {versions.CRAN}"
    )
    r: Url | None = Field(
        None, description=f"folder with Posit's builds of R in place of {versions.R_BUILDS}"
    )
    rstudio: Url | None = Field(
        None, description=f"folder with RStudio Server's packages in place of {versions.RSTUDIO_BUILDS}"
    )
    python: Url | None = Field(
        None, description=f"folder with the releases of Python's builds in place of {versions.PYTHON_BUILDS}"
    )

    @property
    def r_packages(self) -> str:
        """Where R's packages come from, for every R of the host."""
        return self.cran or versions.CRAN
