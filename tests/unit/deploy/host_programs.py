"""The programs that the deploy puts on the host, as modules: rendered from their templates and imported."""

import atexit
import importlib
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from deploy import files, users

SOURCES = (
    "programs/hosttools.py.j2",
    "storage/volume_content.py.j2",
    "storage/volume_quota.py.j2",
    "storage/volume.j2",
    *(f"users/accounts_{module}.py.j2" for module in users.MODULES),
    "users/accounts.j2",
    "users/people.j2",
    "ssh/hostkeys.j2",
)


@cache
def folder() -> Path:
    """All of them as they lie on the host, under names that Python can import."""
    made = Path(tempfile.mkdtemp(prefix="workbench-host-programs-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    for source in SOURCES:
        (made / name_of(source)).write_text(files.render(source))
    return made


def name_of(source: str) -> str:
    return f"{Path(source).name.removesuffix('.j2').removesuffix('.py')}.py"


@cache
def load(name: str) -> ModuleType:
    """The program `name` as a module; what it imports of its neighbours is the same module for all."""
    if str(folder()) not in sys.path:
        sys.path.insert(0, str(folder()))
    return importlib.import_module(name)
