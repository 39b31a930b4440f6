"""Locks of the team's environments: where they are, whether they fit what they were made from, and what is in them.

They stand beside the stack file, which may be a link into a repository of one's own: those of Pulumi.prod.yaml are in
Pulumi.prod.locks, NAME.txt for Python (as pip and uv read it) and NAME.json for R (a renv.lock). Each stack has its
own, so that new versions can be tried on one before another gets them: going on is copying a file, going back is
reverting it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.checks import web_address
from workbench.errors import WorkbenchError
from workbench.faults import Fault, KeyPath
from workbench.settings import Environment, Settings

COMMAND = "`workbench lock`"
_MADE = re.compile(r"# Made by `workbench lock` for (Python \S+) from sha256 ([0-9a-f]{64})\n")
_PINNED = re.compile(
    r"(?!.* --)[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._,-]+\])?(?:==\S+| @ https://[^\s@$]+)(?: ; [^\\]+?)?( \\)?"
)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
_NAMED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?=$|[\[(<>=!~;@])")
_ARCHIVE = re.compile(r"@\s*https://[^\s@$]+(?=\s|$)")
WORKBENCH = "Workbench"  # our own part of a renv.lock, which renv takes no notice of


@dataclass(frozen=True)
class Lock:
    """What an environment is installed from: its text, and what tells it from others."""

    environment: Environment
    text: str

    @property
    def digest(self) -> str:
        """12 hexadecimal digits, others whenever another set of packages is meant; words about it do not count."""
        body = self.text.split("\n", 1)[1] if self.environment.python else _without_ours(self.text)
        one = self.environment
        return hashlib.sha256(f"{one.language} {one.version}\0{body}".encode()).hexdigest()[:12]


def folder(stack_file: Path) -> Path:
    """Where the locks of a stack are. A link is followed: they are where the file itself is."""
    target = stack_file.resolve()
    return target.with_name(f"{target.stem}.locks")


def path_of(stack_file: Path, environment: Environment) -> Path:
    """Where the lock of an environment is, or is to be."""
    return folder(stack_file) / f"{environment.name}.{'txt' if environment.python else 'json'}"


def source_of(stack_file: Path, environment: Environment) -> str:
    """The text that an environment is locked from: its file's, or its list in the stack file.

    Raises WorkbenchError, whose words follow the key, where there is no such file.
    """
    if environment.source is None:
        return "\n".join(sorted(environment.packages)) + "\n"
    named = environment.source[1]
    try:
        return (stack_file.resolve().parent / named).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise WorkbenchError(f"is {named}, which is no text in UTF-8") from None
    except OSError as error:
        where = stack_file.resolve().parent
        why = (
            "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        raise WorkbenchError(f"is {named}, which {why} in {where}; takes the path of a file there") from None


def sha256_of(text: str) -> str:
    """What a lock remembers of what it was made from."""
    return hashlib.sha256(text.encode()).hexdigest()


def header(environment: Environment, source: str) -> str:
    """The first line of a lock of Python: names what it was made from, so that a stale one is seen."""
    return f"# Made by {COMMAND} for Python {environment.python} from sha256 {sha256_of(source)}\n"


def faults(stack_file: Path, settings: Settings) -> Iterator[Fault]:
    """What is wrong with the files of all environments, as far as it can be told offline."""
    for index, environment in enumerate(settings.environments):
        found = list(_of_source(stack_file, environment, ("environments", index)))
        yield from found or _of_lock(stack_file, environment, ("environments", index))


def sources(stack_file: Path, settings: Settings) -> Iterator[Fault]:
    """The same of the files alone that locks are made from."""
    for index, environment in enumerate(settings.environments):
        yield from _of_source(stack_file, environment, ("environments", index))


def locks(stack_file: Path, settings: Settings) -> list[Lock]:
    """The locks of all environments. Raises WorkbenchError: a sentence for each one that is missing or does not fit."""
    if found := list(faults(stack_file, settings)):
        raise WorkbenchError("\n".join(str(fault) for fault in found))
    return [Lock(one, path_of(stack_file, one).read_text()) for one in settings.environments]


def digest(stack_file: Path, settings: Settings) -> str:
    """sha256 of the locks of a stack's environments, by which `pulumi up` sees that a host has to be configured anew.

    Whatever else is in their folder, such as what a killed `workbench lock` left, is nothing to the host.
    """
    total = hashlib.sha256()
    for path in sorted(path_of(stack_file, one) for one in settings.environments):
        if path.is_file():
            total.update(f"{path.name}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _of_source(stack_file: Path, environment: Environment, at: KeyPath) -> Iterator[Fault]:
    if environment.source is None:
        return
    key, named = environment.source
    try:
        text = source_of(stack_file, environment)
    except WorkbenchError as error:
        yield Fault((*at, key), str(error))
        return
    judge = unfit_line if environment.python else _unfit_renv
    if complaint := judge(text):
        yield Fault((*at, key), f"is {named}, {complaint}")


def _of_lock(stack_file: Path, environment: Environment, at: KeyPath) -> Iterator[Fault]:
    path = path_of(stack_file, environment)
    name = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield Fault(at, f"has no lock ({name}); {COMMAND} makes it, and it is kept beside the stack file")
        return
    source = sha256_of(source_of(stack_file, environment))
    judge = _unfit_python if environment.python else _unfit_r
    if complaint := judge(text, environment, source):
        yield Fault(at, f"has the lock {name}, {complaint}; {COMMAND} makes it again")


def unfit_line(text: str) -> str | None:
    """Why requirements are none that could be locked: with the line, and without what may be a secret in it.

    What is taken is a name with its version, or an archive's https address. A lock has to name all that it holds by
    hash, for a server elsewhere: no folder of this machine, no repository's moving branch. An index is for all alike
    (mirrors.pypi), or whoever may name one could have another package come in the place of the team's.
    """
    lines = text.replace("\\\r\n", " ").replace("\\\n", " \x00").splitlines()
    number = 1
    for line in lines:
        words = re.sub(r"(^|\s)#.*", "", line.replace("\x00", "")).strip()
        if complaint := _unfit_requirement(words):
            return f"whose line {number} {complaint}"
        number += 1 + line.count("\x00")
    return None


def _unfit_requirement(words: str) -> str | None:
    words = re.sub(r"\s--hash=\S+", "", words)
    if not words:
        return None
    if found := re.search(r"(?:^|\s)(-[^\s=]*)", words):
        option = found[1]
        return f"has the option {option}: a lock takes packages alone; mirrors.pypi names an index for all"
    if not _NAMED.match(words):
        return "does not begin with the name of a package, such as geopandas>=1.0"
    if "@" in words.partition(";")[0] and not _ARCHIVE.search(words):
        return "names an address that is none of an archive on https without a password, so it cannot be locked by hash"
    return None


def _unfit_python(text: str, environment: Environment, source: str) -> str | None:
    first, _, body = text.partition("\n")
    made = _MADE.fullmatch(f"{first}\n")
    if made is None:
        return f"which was not made by {COMMAND}"
    if made[1] != f"Python {environment.python}":
        return f"which was made for {made[1]}, not Python {environment.python}"
    if made[2] != source:
        return f"which does not fit {environment.requirements}"
    for number, line in enumerate(body.splitlines(), 2):
        if (
            line.strip()
            and not line.startswith("#")
            and not (_PINNED.fullmatch(line) or _HASH.fullmatch(line))
        ):
            return f"whose line {number} is no version with its hashes"
    return None


def _unfit_renv(text: str) -> str | None:
    """Why a renv.lock is none whose packages could be had here: they have to be of a repository such as CRAN."""
    try:
        packages = json.loads(text)["Packages"]
        named = {name: (one["Version"], one.get("Source")) for name, one in packages.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "which is no renv.lock"
    for name, (_, source) in named.items():
        if source != "Repository":
            return f"in which {name} comes from {source or 'nowhere'}; takes packages of a repository (CRAN) alone"
    return None


def _unfit_r(text: str, environment: Environment, source: str) -> str | None:
    try:
        whole = json.loads(text)
        made = whole[WORKBENCH]
        told = (made["From"], made["R"])
        packages, of_r = whole["Packages"], whole["R"]
    except (ValueError, KeyError, TypeError):
        return f"which was not made by {COMMAND}"
    if told[1] != environment.r:
        return f"which was made for R {told[1]}, not R {environment.r}"
    if told[0] != source:
        return f"which does not fit {environment.renv_lock or 'the packages of the stack file'}"
    if not isinstance(of_r, dict) or of_r.get("Version") != environment.r or not _is_repository(of_r):
        return "whose part R has not its version and the address of one repository"
    if not isinstance(packages, dict):
        return "whose part Packages is no list of packages by name"
    for name, one in packages.items():
        if complaint := _unfit_package(name, one):
            return complaint
    return None


_R_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_R_VERSION = re.compile(r"[0-9][0-9.-]*")


def _is_repository(of_r: Mapping[str, Any]) -> bool:
    """Whether one repository is named, by an address that the host may ask: its own mirror may have a password."""
    try:
        [one] = of_r["Repositories"]
        url = one["URL"]
        return web_address(url) == url and "@" not in urlsplit(url).netloc
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


def _unfit_package(name: str, one: Any) -> str | None:
    """What the host makes paths and addresses of is nothing else."""
    fits = (
        isinstance(one, dict)
        and _R_NAME.fullmatch(name)
        and one.get("Package") == name
        and _R_VERSION.fullmatch(str(one.get("Version")))
        and re.fullmatch(r"[0-9a-f]{64}", str(one.get("Sha256")))
        and re.fullmatch(r"src/contrib/[A-Za-z0-9./_-]+\.tar\.gz", str(one.get("File")))
        and ".." not in one["File"]
    )
    return None if fits else f"whose package {name} has no version, file and sha256 as there have to be"


def _without_ours(text: str) -> str:
    whole: Mapping[str, Any] = json.loads(text)
    return json.dumps({key: value for key, value in whole.items() if key != WORKBENCH}, sort_keys=True)
