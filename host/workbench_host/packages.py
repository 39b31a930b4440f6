"""packages GROUP [--check [--given]]

Installs the packages (.deb) of /etc/workbench/packages/GROUP.json, which no archive has: a list of the fields
of Package. Each is downloaded, compared with its sha256, and only then handed to apt, which adds
what it depends on. A note in /var/lib/workbench/packages/NAME, written last, says which file was installed: so this
may be killed at any point, and the next call goes on.

--check changes nothing: exit status 0 where all are installed, else 3. Other programs import this module.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench_host import tools
from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, write

if TYPE_CHECKING:
    from urllib.request import Request

CONFIG = Path(tools.CONFIG) / "packages"
NOTES = Path("/var/lib/workbench/packages")
DOWNLOADS = Path("/var/cache/workbench")
TRIES = 3
PAUSE_SECONDS = 2
TIMEOUT_SECONDS = 60
CHUNK = 1024 * 1024
MOST_BYTES = 4 * 1024**3  # of one download: a server that does not end is not to fill the disk
# Noninteractive, changed configuration files of packages stay as they are, nothing that is merely recommended comes
# along, and another apt or dpkg is waited for: a host's first upgrade takes minutes.
LOCK_SECONDS = 600
APT_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
APT_GET = (
    *("apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
    *("-o", "APT::Install-Recommends=false"),
)
FOR_LATER = (429, 500, 502, 503, 504)  # a server that may answer at the next try


@dataclass(frozen=True)
class Package:
    """One package: `name` as dpkg knows it, `title` for people.

    `mirror` and `setting` are the keys of the settings that say where it comes from and which one it is.
    """

    name: str
    title: str
    address: str
    sha256: str
    mirror: str
    setting: str


def read(address: "str | Request", file: Path) -> str:
    """Writes what `address` answers into `file` and returns its sha256. Half an answer is an error."""
    import urllib.request

    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer, file.open("wb") as out:
        while chunk := answer.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise ValueError(f"it was ended after {MOST_BYTES} bytes")  # and is not tried again
            out.write(chunk)
        promised = answer.headers.get("Content-Length")
    if promised is not None and size != int(promised):
        raise ConnectionError(f"the download ended after {size} of {promised} bytes")
    return digest.hexdigest()


def listed(told: Sequence[dict[str, str]]) -> list[Package]:
    """The packages of a list as it stands in a file of the deploy's."""
    return [Package(**one) for one in told]


def is_for_later(error: Exception) -> bool:
    return getattr(error, "code", None) in (None, *FOR_LATER)


def reason(error: Exception) -> str:
    """Why a download failed, in words."""
    import http.client

    if isinstance(error, http.client.IncompleteRead):
        return "the download broke off"
    if hasattr(error, "code"):
        return f"status {error.code}"
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def read_patiently(address: "str | Request", file: Path) -> str:
    """As `read`, some times over. Raises OSError (HTTPError is one) or HTTPException, and may leave half a file."""
    import http.client

    for attempt in range(1, TRIES):
        try:
            return read(address, file)
        except (OSError, http.client.HTTPException) as error:
            if not is_for_later(error):
                raise
        time.sleep(PAUSE_SECONDS * attempt)
    return read(address, file)


def download(package: Package, file: Path) -> None:
    """Puts the package's file at `file`, whole and as it has to be; else there is none, and FailureError says why."""
    import http.client
    import urllib.error

    title, address, mirror, setting = package.title, package.address, package.mirror, package.setting
    try:
        found = read_patiently(address, file)
        if found != package.sha256:
            raise FailureError(
                f"{title} from {address} has the sha256 {found}, but {package.sha256} is expected: "
                f"{mirror} leads to another file, or the sha256 of {setting} is wrong."
            )
    except urllib.error.HTTPError as error:
        file.unlink(missing_ok=True)
        if error.code not in (404, 403, 410):
            raise FailureError(
                f"{title} cannot be downloaded from {address} ({reason(error)}); {mirror} names another "
                "place to get it from."
            ) from None
        raise FailureError(
            f"There is no {title} at {address} ({reason(error)}): {setting} has to be a version that exists, "
            f"{mirror} a place that has it."
        ) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        file.unlink(missing_ok=True)
        raise FailureError(
            f"{title} cannot be downloaded from {address} ({reason(error)}); {mirror} names another place to get "
            "it from."
        ) from None
    except FailureError:
        file.unlink(missing_ok=True)
        raise


def apt_get(*arguments: str) -> None:
    done = subprocess.run(
        [*APT_GET, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **APT_ENVIRONMENT},
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
        raise FailureError(f"apt-get says: {' '.join(said[-3:])}")


def is_installed(name: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", name], capture_output=True, text=True, check=False
    )
    return done.stdout == "installed"


def note(name: str) -> Path:
    return NOTES / name


def is_current(package: Package) -> bool:
    """Whether just this file of the package is installed."""
    path = note(package.name)
    return path.exists() and path.read_text() == package.sha256 and is_installed(package.name)


def install(package: Package) -> None:
    """Installs one package. The old one stays as it is until the new one is here, whole."""
    DOWNLOADS.mkdir(mode=0o755, parents=True, exist_ok=True)
    NOTES.mkdir(mode=0o755, parents=True, exist_ok=True)
    file = DOWNLOADS / f"{package.name}.deb"
    download(package, file)
    try:
        note(package.name).unlink(missing_ok=True)
        apt_get("install", "--reinstall", "--allow-downgrades", str(file))
    except FailureError as error:
        raise FailureError(f"{package.title} was downloaded but cannot be installed: {error}") from None
    finally:
        file.unlink(missing_ok=True)
    write(note(package.name), package.sha256)


def remove(name: str) -> None:
    """Removes one package that `install` has installed."""
    if is_installed(name):
        apt_get("remove", name)
    note(name).unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    group, *flags = arguments
    told = json.loads(tools.wanted(CONFIG / f"{group}.json", flags))
    missing = [one for one in listed(told) if not is_current(one)]
    if "--check" in flags:
        for package in missing:
            print(f"install {package.title} from {tools.without_password(package.address)}")
        return WOULD_CHANGE if missing else CLEAN
    try:
        for package in missing:
            install(package)
    except FailureError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
