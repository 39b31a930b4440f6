"""The project: Pulumi.yaml, and the folder that the state is kept in."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from workbench.errors import WorkbenchError

STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class Project:
    """`root` holds Pulumi.yaml, `program` is what Python runs, `backend` the folder for `.pulumi`."""

    name: str
    root: Path
    program: Path
    backend: Path

    def stack_file(self, stack: str) -> Path:
        return self.root / f"Pulumi.{stack}.yaml"


def load_project(start: Path) -> Project:
    """The project of the folder `start` or the nearest one above it."""
    for folder in (start.resolve(), *start.resolve().parents):
        file = folder / "Pulumi.yaml"
        if file.is_file():
            return _read(file)
    raise WorkbenchError(
        f"no Pulumi.yaml in {start.resolve()} or any folder above it: go to a project, or use -C"
    )


def _read(file: Path) -> Project:
    try:
        data: Any = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        raise WorkbenchError(f"{file} has no name: the project needs `name:` and `runtime: python`")
    runtime = data.get("runtime")
    if (runtime.get("name") if isinstance(runtime, dict) else runtime) != "python":
        raise WorkbenchError(f"{file} asks for a runtime that is not python, the only one the stand-in runs")
    root = file.parent
    program = root / str(data.get("main") or ".")
    backend = data.get("backend")
    default = backend.get("url") if isinstance(backend, dict) else None
    return Project(
        name=data["name"],
        root=root,
        program=program / "__main__.py" if program.suffix != ".py" else program,
        backend=backend_folder(os.environ.get("PULUMI_BACKEND_URL") or default or "file://~"),
    )


def backend_folder(url: str) -> Path:
    """The folder of a file backend (`file://~`, `file:///somewhere`, `file://./here`)."""
    if not url.startswith("file://"):
        raise WorkbenchError(
            f"PULUMI_BACKEND_URL is {url!r}: the lab's stand-in keeps its state in files only, say file://FOLDER"
        )
    return Path(url.removeprefix("file://")).expanduser().resolve()


def checked_stack_name(name: str, project: str) -> str:
    """The stack's own name; `organization/PROJECT/NAME` is accepted as the CLI does for a file backend."""
    short = name.removeprefix(f"organization/{project}/")
    if not STACK_NAME.fullmatch(short):
        raise WorkbenchError(
            f"{name!r} is no stack name: 1 to 100 letters, digits, hyphens, underscores and full stops"
        )
    return short
