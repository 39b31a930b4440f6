"""R packages resolved against a repository laid out as CRAN: into a renv.lock with the sha256 of each archive.

R itself is not needed. Source of the layout: "R Installation and Administration", 6.6 ("Setting up a package
repository"): src/contrib/PACKAGES describes the current archives, and src/contrib/Archive/NAME has the older ones.
"""

import gzip
import hashlib
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from workbench import team
from workbench.errors import WorkbenchError
from workbench.settings import Environment, Mirrors
from workbench_host import packages as downloads

# What comes with R. Those that are recommended are locked only where somebody names them.
BASE = frozenset(
    "R base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils".split()
)
RECOMMENDED = frozenset(
    "boot class cluster codetools foreign KernSmooth lattice MASS Matrix mgcv nlme nnet rpart spatial survival".split()
)
_NEEDED = ("Depends", "Imports", "LinkingTo")
_AT_ONCE = 8
Record = Mapping[str, str]


def locked(environment: Environment, source: str, mirrors: Mirrors) -> str:
    """The lock of an environment, whose versions are those of its renv.lock, else the repository's newest.

    Raises WorkbenchError.
    """
    repository = Repository(pinned(mirrors.r_packages), environment.version)
    known = repository.records()
    if environment.renv_lock:
        wanted = {name: one["Version"] for name, one in json.loads(source)["Packages"].items()}
        found = {name: version for name, version in wanted.items() if name not in BASE}
    else:
        found = _closure(environment.packages, known, environment.version)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        archives = dict(pool.map(lambda name: (name, repository.archive(name, found[name], known)), found))
    whole = {
        "R": {
            "Version": environment.r,
            "Repositories": [{"Name": "CRAN", "URL": without_password(repository.url)}],
        },
        team.WORKBENCH: {"From": team.sha256_of(source), "R": environment.r},
        "Packages": {
            name: {
                "Package": name,
                "Version": version,
                "Source": "Repository",
                "Repository": "CRAN",
                "File": archives[name][0],
                "Sha256": archives[name][1],
            }
            for name, version in sorted(found.items())
        },
    }
    return json.dumps(whole, indent=2) + "\n"


def versions(lock: str) -> dict[str, str]:
    """What a lock pins, by name."""
    return {name: one["Version"] for name, one in json.loads(lock)["Packages"].items()} if lock else {}


def pinned(url: str) -> str:
    """The repository as it was yesterday, where it is one that has a state for each day.

    Source: Posit Package Manager's "frozen URLs": {base}/{repo}/__linux__/{release}/{date or latest}.
    """
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    return re.sub(r"(/__linux__/[a-z]+/)latest$", rf"\g<1>{yesterday}", url)


def without_password(url: str) -> str:
    """An address for a file that is committed."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Repository:
    """A repository that is asked as R of a version on the host would ask it: binaries are chosen by that."""

    def __init__(self, url: str, version: str) -> None:
        self.url = url
        self._agent = f"R/{version}.0 R ({version}.0 x86_64-pc-linux-gnu x86_64 linux-gnu)"

    def read(self, file: str) -> bytes:
        """A file's content. Raises WorkbenchError, FileNotFoundError where there is none.

        The address is the settings' (http or https); a password in it travels in a header, and no further
        than to this address: not to where it leads on.
        """
        parts = urlsplit(self.url)
        address = f"{without_password(self.url)}/{file}"
        request = urllib.request.Request(address, headers={"User-Agent": self._agent})  # noqa: S310
        if parts.username is not None:
            import base64
            from urllib.parse import unquote

            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            request.add_unredirected_header(
                "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"
            )
        try:
            with TemporaryDirectory() as folder:
                whole = Path(folder) / "whole"
                downloads.read_patiently(request, whole)
                return whole.read_bytes()
        except urllib.error.HTTPError as error:
            if error.code in {403, 404}:
                raise FileNotFoundError(file) from None
            raise self._unreachable(f"status {error.code} for {file}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._unreachable(downloads.reason(error)) from None

    def _unreachable(self, why: str) -> WorkbenchError:
        return WorkbenchError(
            f"{without_password(self.url)} cannot be had ({why}); mirrors.cran names another repository"
        )

    def records(self) -> dict[str, Record]:
        """What the repository has at present, by name."""
        try:
            text = gzip.decompress(self.read("src/contrib/PACKAGES.gz")).decode(errors="replace")
        except (FileNotFoundError, gzip.BadGzipFile, EOFError):
            try:
                text = self.read("src/contrib/PACKAGES").decode(errors="replace")
            except FileNotFoundError:
                raise self._unreachable("it has no src/contrib/PACKAGES") from None
        found: dict[str, Record] = {}
        for one in _records(text):
            # One with a Path is for another version of R: CRAN lists the recommended packages for several.
            if "Package" in one and "Version" in one and "Path" not in one:
                found[one["Package"]] = one
        return found

    def archive(self, name: str, version: str, known: Mapping[str, Record]) -> tuple[str, str]:
        """Where the archive of a version is, and its sha256."""
        here, older = (
            f"src/contrib/{name}_{version}.tar.gz",
            f"src/contrib/Archive/{name}/{name}_{version}.tar.gz",
        )
        is_current = name in known and known[name]["Version"] == version
        for file in (here, older) if is_current else (older, here):
            try:
                return file, hashlib.sha256(self.read(file)).hexdigest()
            except FileNotFoundError:
                continue
        now = f", which has {known[name]['Version']}" if name in known else ""
        raise WorkbenchError(f"{name} {version} is not in {without_password(self.url)}{now}")


def _records(text: str) -> Iterator[Record]:
    """The records of a file in Debian's control format, which R's PACKAGES is written in."""
    for block in re.split(r"\n\s*\n", text):
        unfolded = re.sub(r"\n[ \t]+", " ", block)
        yield dict(line.split(": ", 1) for line in unfolded.splitlines() if ": " in line)


def _needs(record: Record) -> Iterator[tuple[str, str]]:
    """(name, lowest version or "") of all that a package needs to be installed."""
    for field in _NEEDED:
        for one in record.get(field, "").split(","):
            match = re.match(r"\s*([A-Za-z][A-Za-z0-9.]*)\s*(?:\(\s*>=\s*([0-9.-]+)\s*\))?", one)
            if match:
                yield match[1], match[2] or ""


def _closure(names: Iterable[str], known: Mapping[str, Record], r: str) -> dict[str, str]:
    """The versions of `names` and of all that they need, which is as CRAN itself tests them together.

    Raises WorkbenchError for what there is not.
    """
    found: dict[str, str] = {}
    pending = [(name, "the stack file") for name in names]
    while pending:
        name, by = pending.pop()
        if name in found or name in BASE:
            continue
        if name not in known:
            raise WorkbenchError(f"there is no R package {name} in the repository, which {by} asks for")
        found[name] = known[name]["Version"]
        for needed, least in _needs(known[name]):
            if needed == "R" and _numbers(least)[:2] > _numbers(r):
                raise WorkbenchError(f"{name} {found[name]} needs R {least}, and this environment has R {r}")
            if needed not in RECOMMENDED:
                pending.append((needed, name))
    return found


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
