"""The services' programs as modules of their own: rendered from their templates and run as far as their definitions."""

from types import ModuleType

from deploy import files
from tests.unit.deploy import host_programs


def load(source: str, **variables: object) -> ModuleType:
    """The program from templates/`source`; a new module each time."""
    host_programs.load("hosttools")  # which lies beside them on the host, too
    module = ModuleType(source)
    exec(compile(files.render(source, **variables), source, "exec"), module.__dict__)
    return module
