"""Which Debian package has the library that a package of R or Python was linked with, by the library's name.

The ones with headers are named: they bring the library along, and serve who builds from source as well.
"""

import re

# Source: Debian 13's own index of contents, for what CRAN's most downloaded packages name in SystemRequirements.
PACKAGES = {
    "libcairo": "libcairo2-dev",
    "libcurl": "libcurl4-openssl-dev",
    "libfftw3": "libfftw3-dev",
    "libfontconfig": "libfontconfig-dev",
    "libfreetype": "libfreetype-dev",
    "libfribidi": "libfribidi-dev",
    "libgdal": "libgdal-dev",
    "libgeos_c": "libgeos-dev",
    "libgit2": "libgit2-dev",
    "libglpk": "libglpk-dev",
    "libgmp": "libgmp-dev",
    "libgsl": "libgsl-dev",
    "libharfbuzz": "libharfbuzz-dev",
    "libhdf5_serial": "libhdf5-dev",
    "libjvm": "default-jdk",
    "libMagick++-6.Q16": "libmagick++-dev",
    "libMagick++-7.Q16": "libmagick++-dev",
    "libMagickCore-7.Q16": "libmagick++-dev",
    "libmariadb": "libmariadb-dev",
    "libmpfr": "libmpfr-dev",
    "libnetcdf": "libnetcdf-dev",
    "libodbc": "unixodbc-dev",
    "libpoppler-cpp": "libpoppler-cpp-dev",
    "libpq": "libpq-dev",
    "libproj": "libproj-dev",
    "librsvg-2": "librsvg2-dev",
    "libsodium": "libsodium-dev",
    "libssh2": "libssh2-1-dev",
    "libssl": "libssl-dev",
    "libtesseract": "libtesseract-dev",
    "libtiff": "libtiff-dev",
    "libudunits2": "libudunits2-dev",
    "libwebp": "libwebp-dev",
    "libxml2": "libxml2-dev",
    "libxslt": "libxslt1-dev",
}


def package_of(library: str) -> str | None:
    """The package that has a library such as libgdal.so.36, None where that is not known."""
    return PACKAGES.get(re.sub(r"\.so[0-9.]*$", "", library))
