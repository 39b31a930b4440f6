"""`workbench lock`: resolves the team's environments into locks beside the stack file, which servers install from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli import common, cran, pypi
from cli.common import StackOption, console
from workbench import stack as stacks
from workbench import stackfile, team
from workbench.errors import WorkbenchError
from workbench.faults import Fault
from workbench.settings import Environment, Mirrors, Settings


def lock(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="environments to resolve again, to the newest versions that their files allow",
        ),
    ] = None,
    stack: StackOption = None,
) -> None:
    """Resolve environments into locks beside the stack file; unless named, those without one that fits.

    What of Python was locked before keeps its version where it still fits, unless named. Commit the locks: going back
    is reverting them.
    """
    path = stackfile.path_of(common.enter(stack))
    stackfile.check(path, locked=False)
    settings = stackfile.settings_of(path)
    _require_known(names or [], settings)
    stale = {fault.path[1] for fault in team.faults(path, settings)}
    wanted = [
        (index, one)
        for index, one in enumerate(settings.environments)
        if (one.name in names if names else index in stale)
    ]
    if not wanted:
        what = (
            "every lock fits; name an environment to bring it to newer versions"
            if settings.environments
            else ("there are no environments in the stack file (workbench:environments)")
        )
        console.print(f"Nothing was resolved: {what}.", markup=False)
        return
    mirrors = _mirrors(settings, path)
    for index, one in wanted:
        with common.stage(f"Lock {one.name} ({one.language} {one.version})"):
            _lock(path, one, index, mirrors, renew=bool(names), builds=settings.services.base.build_tools)
    _forget_others(path, settings)


def _require_known(names: list[str], settings: Settings) -> None:
    known = [one.name for one in settings.environments]
    if strange := [name for name in names if name not in known]:
        raise WorkbenchError(
            f"There is no environment called {strange[0]} in the stack file; there are {', '.join(known) or 'none'}."
        )


def _mirrors(settings: Settings, path: Path) -> Mirrors:
    """Where packages come from; `pulumi` is asked where that is encrypted, as an address with a password may be."""
    hidden = any(key.startswith("workbench:mirrors") for key in stackfile.check(path, locked=False).hidden)
    return stacks.settings().mirrors if hidden else settings.mirrors


def _lock(path: Path, one: Environment, index: int, mirrors: Mirrors, *, renew: bool, builds: bool) -> None:
    at = team.path_of(path, one)
    source = team.source_of(path, one)
    before = at.read_text() if at.exists() else ""
    try:
        if one.python:
            text = team.header(one, source) + pypi.resolved(
                one, source, "" if renew else before, mirrors.pypi, builds=builds
            )
        else:
            text = cran.locked(one, source, mirrors)
    except WorkbenchError as error:
        key = ("environments", index, *(one.source[:1] if one.source else ("packages",)))
        raise WorkbenchError(stackfile.placed(path, Fault(key, f"cannot be locked: {error}"))) from None
    at.parent.mkdir(exist_ok=True)
    temporary = at.with_name(f".{at.name}.new")
    temporary.write_text(text)
    temporary.replace(at)
    versions = pypi.versions if one.python else cran.versions
    console.print(f"{at.parent.name}/{at.name}: {_changes(versions(before), versions(text))}", markup=False)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What became of the versions, in a line."""
    if not before:
        return f"{len(after)} packages"
    told = [f"{name} {before[name]} -> {new}" for name, new in after.items() if before.get(name, new) != new]
    told += [f"{name} {new} is new" for name, new in after.items() if name not in before]
    told += [f"{name} {old} is gone" for name, old in before.items() if name not in after]
    return ", ".join(told) or "the same versions as before"


def _forget_others(path: Path, settings: Settings) -> None:
    """Locks of environments that are no longer in the stack file stay: they are told of, for git to remove."""
    known = {team.path_of(path, one).name for one in settings.environments}
    for other in sorted(team.folder(path).glob("*")):
        if other.name not in known and not other.name.startswith("."):
            console.print(
                f"{other.parent.name}/{other.name} belongs to no environment; remove it.", markup=False
            )
