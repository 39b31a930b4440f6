"""The services' programs as modules of their own: rendered from their templates and run as far as their definitions."""

from types import ModuleType

from deploy import files


def load(source: str) -> ModuleType:
    """The program from templates/`source`; a new module each time."""
    module = ModuleType(source)
    exec(compile(files.render(source), source, "exec"), module.__dict__)
    return module
