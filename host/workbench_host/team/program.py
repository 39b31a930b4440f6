"""team-environments [--check [--given] | --report]

Has the environments of /etc/workbench/environments.json on this host, and no others of ours: {"environments": [fields
of Wanted], "index": of Python's packages, "builds": a mirror of Python's builds, "cran": of R's packages, where null
means the public ones, "build": whether Python's packages may be built from source}. Each is built from its lock in a
folder of its own, which its link, its kernel and the command workbench-env then lead to. What is open goes on with the
one that it was started from. The two that were in use before are kept, and those that something runs from.

One that cannot be built stays as it was, and the others are seen to. An environment counts only with its marker, and
the link is switched last but for the kernel: so this may be killed at any point, and the next call goes on. --check
changes nothing: exit status 0 where all is so, else 3. --report says in JSON what there is and who uses it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench_host import in_use, kernels, tools
from workbench_host.team import places, usage
from workbench_host.team.places import Marker, Wanted
from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, alone, reason

KEPT = 2  # that were in use before
# R's default is found inside R, by the link: no process says from which folder it has it, until it maps a file of it.
UNSEEN_SECONDS = 7 * 24 * 3600.0
RUNNING = Path("/run/workbench-team-environments.lock")
WAIT_SECONDS = 3 * 3600.0  # for another run, which may be building: longer than one build may take


def is_current(wanted: Wanted) -> bool:
    """Whether it is whole, in use, and a kernel."""
    told = places.marker(wanted.folder)
    if told is None or places.folder_of(wanted.name) != wanted.folder:
        return False
    if wanted.name == places.PYTHON and not _leads(places.DEFAULT_LINK, wanted.folder):
        return False
    kernel = places.kernel_of(wanted.name)
    return kernel is None or kernels.has(kernel, places.described(wanted.name, wanted.folder, told))


def _leads(link: Path, folder: Path) -> bool:
    return link.is_symlink() and os.readlink(link) == str(folder)


def built(wanted: Wanted, config: Mapping[str, Any]) -> Marker:
    """The environment's own word on itself, once it is whole. What had failed half-way leaves no files."""
    told = places.marker(wanted.folder)
    if told is not None:
        return told
    from workbench_host.team import builder, pythons, rs

    build: Callable[[Wanted, Mapping[str, Any]], Marker] = (
        pythons.build if wanted.language == "Python" else rs.build
    )
    try:
        told = build(wanted, config)
        builder.hand_over(wanted.folder)
        places.mark(wanted.folder, told)
    except (FailureError, OSError, subprocess.CalledProcessError):
        builder.discard(wanted.folder)
        raise
    finally:
        builder.clear()
    return told


def switch(wanted: Wanted, told: Marker) -> None:
    """Points the link at the new folder in one step; from then on kernels that are started are the new one's."""
    link, before = places.ROOT / wanted.name, places.folder_of(wanted.name)
    if before != wanted.folder:
        _retire(before)
        _point(link, wanted.folder.name)
    if wanted.name == places.PYTHON:
        places.DEFAULT_LINK.parent.mkdir(parents=True, exist_ok=True)
        _point(places.DEFAULT_LINK, str(wanted.folder))
    if kernel := places.kernel_of(wanted.name):
        kernels.add(kernel, places.described(wanted.name, wanted.folder, told))


def _retire(folder: Path | None) -> None:
    """Notes when an environment was last in use."""
    if folder is not None and (folder / places.MARKER).exists():
        os.utime(folder / places.MARKER)


def _point(link: Path, target: str) -> None:
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(link)


def former(name: str) -> list[Path]:
    """The folders of an environment that are whole and not in use, the last one first."""
    others = [path for path in places.folders(name) if path != places.folder_of(name) and places.marker(path)]
    return sorted(others, key=lambda path: (path / places.MARKER).stat().st_mtime, reverse=True)


def superfluous(wanted: Sequence[Wanted]) -> list[Path]:
    """Folders that nobody wants: beyond the former ones that are kept, of what is no longer listed, and not whole."""
    kept = {one.folder for one in wanted}
    for name in {one.name for one in wanted}:
        current = places.folder_of(name)
        kept |= {*former(name)[:KEPT], *([current] if current else [])}
    return [path for path in places.folders() if path not in kept]


def idle(folders: Sequence[Path]) -> list[Path]:
    """Those that no process runs from; none where that cannot be told."""
    folders = [path for path in folders if not _may_be_unseen(path)]
    if not folders:
        return []
    try:
        busy = usage.used([places.ROOT])
    except in_use.UnknownError:
        return []
    return [path for path in folders if path not in busy]


def _may_be_unseen(folder: Path) -> bool:
    """Whether an R that is open may have its packages from there without a word of it: for a week after its time."""
    if folder not in places.folders(places.R) or places.marker(folder) is None:
        return False
    ended = (folder / places.MARKER).stat().st_mtime
    return folder == places.folder_of(places.R) or time.time() - ended < UNSEEN_SECONDS


def unlisted(wanted: Sequence[Wanted]) -> list[str]:
    """The names that a link or a kernel of ours has, and nobody wants any more."""
    listed = {one.name for one in wanted}
    prefix = places.KERNEL.format("")
    linked = {name for name in places.names() if (places.ROOT / name).is_symlink()}
    return sorted((linked | kernels.versions(prefix)) - listed)


def clean(wanted: Sequence[Wanted]) -> None:
    """What is not wanted stops being a kernel at once; its files go as soon as nothing runs from them."""
    from workbench_host.team import builder, pythons

    for name in unlisted(wanted):
        kernels.remove(places.KERNEL.format(name))
        _retire(places.folder_of(name))
        (places.ROOT / name).unlink(missing_ok=True)
    for folder in idle(superfluous(wanted)):
        builder.discard(folder)
    if places.ROOT.exists():
        pythons.sweep()


def apply(config: Mapping[str, Any]) -> list[str]:
    """Does it; a sentence for each environment that could not be built."""
    wanted = _listed(config)
    failed = []
    for one in wanted:
        if is_current(one):
            continue
        try:
            switch(one, built(one, config))
        except (FailureError, OSError, subprocess.CalledProcessError) as error:
            stays = "; the one before stays in use" if places.folder_of(one.name) else ""
            why = reason(error).rstrip(".")
            failed.append(f"{one.setting}: the environment {one.name} could not be built: {why}{stays}.")
    clean(wanted)
    return failed


def _listed(config: Mapping[str, Any]) -> list[Wanted]:
    return [Wanted(**one) for one in config["environments"]]


def check(config: Mapping[str, Any]) -> int:
    """What a run would do, a line for each, as its exit status says too."""
    wanted = _listed(config)
    lines = []
    for one in wanted:
        if not is_current(one):
            how = "switch to" if places.marker(one.folder) else "build"
            lines.append(f"{how} the environment {one.name} ({one.language} {one.version}, {one.digest})")
    lines += [f"remove the environment {name}, and its kernel" for name in unlisted(wanted)]
    lines += [f"remove {folder}" for folder in idle(superfluous(wanted))]
    print("".join(f"{line}\n" for line in lines), end="")
    return WOULD_CHANGE if lines else CLEAN


def report() -> dict[str, Any]:
    """{"environments": [{name, language, version, digest, packages, former, users}], "unknown": why no users are told}.

    `users` are by digest, which may be a former one's: [{user, digest, processes}].
    """
    unknown = None
    try:
        busy = usage.used([places.ROOT, Path("/opt/workbench")])
    except in_use.UnknownError as error:
        busy, unknown = {}, str(error)
    ours = usage.links(places.ROOT, places.PYTHON) is None and usage.links(Path("/opt/workbench"), "python")
    found = [_default(busy)] if ours else []
    for name in sorted(places.names()):
        folder = places.folder_of(name)
        told = places.marker(folder) if folder else None
        mine = {path: who for path, who in busy.items() if path in places.folders(name)}
        found.append(
            {
                "name": name,
                "language": told.language if told else "",
                "version": told.version if told else "",
                "digest": folder.name[-12:] if folder else "",
                "packages": told.packages if told else 0,
                "former": [path.name[-12:] for path in former(name)],
                "users": _users(mine),
            }
        )
    return {"environments": found, "unknown": unknown}


def _default(busy: Mapping[Path, Any]) -> dict[str, Any]:
    """The data science environment, which is not of the settings (workbench_host/environments.py)."""
    from workbench_host import environments

    current = usage.links(environments.ROOT, "python") or ""
    folders = list(environments.ROOT.glob(f"python-{'[0-9a-f]' * 12}"))
    versions = sorted((environments.ROOT / "python").glob("lib/python3*"))
    packages = environments.LOCKS / "python" / "requirements.txt"
    return {
        "name": "python",
        "language": "Python",
        "version": versions[0].name.removeprefix("python") if versions else "",
        "digest": current[-12:],
        "packages": packages.read_text().count("==") if packages.exists() else 0,
        "former": [path.name[-12:] for path in folders if path.name != current],
        "users": _users({path: who for path, who in busy.items() if path in folders}),
    }


def _users(busy: Mapping[Path, Any]) -> list[dict[str, Any]]:
    return sorted(
        (
            {"user": usage.name_of(uid), "digest": path.name[-12:], "processes": number}
            for path, who in busy.items()
            for uid, number in who.items()
        ),
        key=lambda one: (one["user"], one["digest"]),
    )


def main(arguments: Sequence[str]) -> int:
    if "--report" in arguments:
        print(json.dumps(report()))
        return 0
    config = json.loads(tools.wanted(places.WANTED, arguments))
    if "--check" in arguments:
        return check(config)
    os.umask(0o022)
    try:
        with alone(RUNNING, WAIT_SECONDS):
            failed = apply(config)
    except FailureError as error:
        failed = [f"{error}."]
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return 1 if failed else 0
