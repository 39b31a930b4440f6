"""Which stack a command means where nobody says so: the one that `pulumi stack select` chose, or the only one.

The CLI notes in a file for each project's place what was selected, by backend (pulumi/pulumi,
sdk/go/common/workspace). It is read there: to start `pulumi` takes its time, and a service has to answer too. Where the
notes say nothing about the backend in use, `pulumi` is asked.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench import stack as stacks
from workbench.errors import WorkbenchError

_PROJECT = "Pulumi.yaml"
_FILES_ORGANIZATION = "organization/"  # what a backend of files calls its only one


def meant() -> str:
    """The name of the stack. Raises WorkbenchError where it cannot be told."""
    return selected() or _only()


def names() -> list[str]:
    """The stacks that have a file in this checkout."""
    return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in stacks.ROOT.glob("Pulumi.*.yaml"))


def selected() -> str | None:
    """The stack that `pulumi stack select` (or `init`) chose in this checkout; None where none is."""
    noted = _noted()
    if not noted:
        return None
    name = (noted.get("stacks") or {}).get(_backend())
    if name is None:
        with suppress(WorkbenchError):  # as where none is selected, which it calls an error
            name = stacks.Question("stack", "--show-name").said().strip() or None
    return name and _short(name)


def _short(name: str) -> str:
    return stacks.short_name(name) if name.startswith(_FILES_ORGANIZATION) else name


def _home() -> Path:
    return Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()


def _noted() -> dict[str, Any] | None:
    """What the CLI has noted of this checkout, which it knows by the path that the shell shows."""
    shown = Path(os.environ.get("PWD", ""))
    folder = shown if shown.is_absolute() and shown.exists() and shown.samefile(stacks.ROOT) else stacks.ROOT
    digest = hashlib.sha1(str(folder / _PROJECT).encode(), usedforsecurity=False).hexdigest()
    found = sorted((_home() / "workspaces").glob(f"*-{digest}-workspace.json"))
    return _read(found[0]) if found else None


def _backend() -> str | None:
    """The address of the backend in use; None where Pulumi.yaml may have a word in it."""
    if "backend:" in (stacks.ROOT / _PROJECT).read_text():
        return None
    if address := os.environ.get("PULUMI_BACKEND_URL"):
        return address
    kept = Path(os.environ.get("PULUMI_CREDENTIALS_PATH") or _home())
    return (_read(kept / "credentials.json") or {}).get("current")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def _only() -> str:
    found = names()
    if len(found) == 1:
        return found[0]
    if not found:
        raise WorkbenchError(
            f"There is no stack file (Pulumi.<stack>.yaml) in {stacks.ROOT.name}; `make demo` makes the lab's, "
            "docs/aws.md shows how to begin on AWS."
        )
    raise WorkbenchError(
        f"Which stack? There are {', '.join(found)}; say --stack NAME, or choose one by `pulumi stack select NAME`."
    )
