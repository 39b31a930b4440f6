"""Team environments: packages for everybody, beside the default ones, each installed from its lock.

What stands here is what is wanted; `workbench lock` resolves it into a file beside the stack file (workbench/team.py).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from workbench import checks, versions
from workbench.faults import Fault
from workbench.settings.section import Section, twice

# A name becomes a folder, a kernel and a word on command lines; 32 is enough for all of them.
NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
# Kernels that are there anyway; a team's with the same name could not be told from them.
TAKEN = frozenset("python3 ir kernel".split())
# The default environments: one of these names is in their place. They are on Debian's Python and R.
DEFAULTS = {"python": versions.PYTHON, "r": versions.R}
_OF_A_VERSION = re.compile(
    r"(?:python|r)-\d.*"
)  # kernels of services.python.versions and services.r.versions
R_MINOR = re.compile(r"[34]\.\d{1,2}")
# Source: "Writing R Extensions", 1.1.1: letters, numbers and dot, at least two, not ending in a dot.
R_PACKAGE = re.compile(r"[A-Za-z](?:[A-Za-z0-9.]*[A-Za-z0-9])")


def environment_name(value: str) -> str:
    """A name of an environment: short, and nobody else's."""
    if not NAME.fullmatch(value) or len(value) > 32:
        raise ValueError("is no name of an environment; takes at most 32 of a-z, 0-9, - and _, such as geo")
    if value in TAKEN or _OF_A_VERSION.fullmatch(value):
        raise ValueError("is a kernel that there is anyway; choose another name")
    return value


def r_minor(value: str) -> str:
    """A version of R without its last number, which packages are installed for."""
    if not R_MINOR.fullmatch(value):
        raise ValueError(f'is no version of R; takes its first two numbers in quotes, such as "{versions.R}"')
    return value


def r_package(value: str) -> str:
    """The name of an R package."""
    if not R_PACKAGE.fullmatch(value):
        raise ValueError("is no name of an R package; takes one such as data.table, without a version")
    return value


def file_path(value: str) -> str:
    """A path of a file, relative to the stack file."""
    if not value or value.startswith(("/", "~")) or not value.isprintable():
        raise ValueError("is no path from the stack file's folder; takes one such as geo/requirements.txt")
    return value


FilePath = Annotated[str, AfterValidator(file_path)]


class Environment(Section):
    """One environment of the team: of Python or of R."""

    name: Annotated[str, AfterValidator(environment_name)] = Field(
        description="name, such as geo: of its kernel, of a choice in RStudio and of `workbench-env geo`; python is "
        "the default environment, in the place of the workbench's own, and r is what everybody's R has besides Debian's"
    )
    python: Annotated[str, AfterValidator(checks.python_version)] | None = Field(
        None, description='version of Python, such as "3.13"; the other languages\' keys are then not set'
    )
    requirements: FilePath | None = Field(
        None,
        description="file of what it has to have, a line each as pip takes it, relative to the stack file",
    )
    r: Annotated[str, AfterValidator(r_minor)] | None = Field(
        None, description=f'version of R, such as "{versions.R}": Debian\'s, or one of services.r.versions'
    )
    renv_lock: FilePath | None = Field(None, description="renv.lock of a project, relative to the stack file")
    packages: list[Annotated[str, AfterValidator(r_package)]] = Field(
        [],
        description="R packages, in the place of a renv.lock; `workbench lock` takes their newest versions",
    )

    @property
    def language(self) -> str:
        """What it is of, as people write it."""
        return "Python" if self.python else "R"

    @property
    def version(self) -> str:
        """The version of its language."""
        return self.python or self.r or ""

    @property
    def source(self) -> tuple[str, str] | None:
        """The file that it is locked from: key and path; None where the stack file itself says all."""
        if self.requirements:
            return "requirements", self.requirements
        return ("renvLock", self.renv_lock) if self.renv_lock else None

    def faults(self) -> Iterator[Fault]:
        """Either of Python, from a file, or of R, from a file or a list."""
        if (self.python is None) == (self.r is None):
            both = "both python and r" if self.python else "neither python nor r"
            yield Fault((), f'has {both}; takes python: "{versions.PYTHON}" or r: "{versions.R}"')
        elif self.python:
            yield from self._of_python()
        else:
            yield from self._of_r()

    def _of_python(self) -> Iterator[Fault]:
        if self.requirements is None:
            yield Fault((), "has no requirements; takes the path of a file with a line for each package")
        for key, value in (("renvLock", self.renv_lock), ("packages", self.packages)):
            if value:
                yield Fault((key,), "is for R, and this environment is of Python; remove it")

    def _of_r(self) -> Iterator[Fault]:
        if self.requirements is not None:
            yield Fault(("requirements",), "is for Python, and this environment is of R; remove it")
        if bool(self.packages) == (self.renv_lock is not None):
            has = "both renvLock and packages" if self.packages else "neither renvLock nor packages"
            yield Fault((), f"has {has}; takes one of them")
        yield from twice(("packages",), self.packages)


def broken(
    environments: Sequence[Environment], r_versions: Sequence[str] | None, *, python: bool
) -> Iterator[Fault]:
    """What is wrong between several; `r_versions` are those further to Debian's, None where there is no R.

    `python` is whether there is a default environment of Python.
    """
    yield from twice(("environments",), [one.name for one in environments], "name")
    for index, one in enumerate(environments):
        yield from _default(one, index, python=python)
        if one.r is None:
            continue
        if r_versions is None:
            yield Fault(
                ("environments", index, "r"), "is set, but services.r.enabled is false; set that to true"
            )
        elif one.r != versions.R and not any(further.startswith(f"{one.r}.") for further in r_versions):
            yield Fault(
                ("environments", index, "r"),
                f"is {one.r}, but the host has {', '.join([versions.R, *r_versions])}; takes one of them, or name "
                "a release of it in services.r.versions",
            )


def _default(one: Environment, index: int, *, python: bool) -> Iterator[Fault]:
    """What takes the place of a default environment is of its language, and of Debian's version of that."""
    wanted = DEFAULTS.get(one.name)
    if wanted is None:
        return
    if one.language.lower() != one.name or one.version != wanted:
        yield Fault(
            ("environments", index),
            f'is {one.name}, the default environment, so that it takes {one.name}: "{wanted}", which is Debian\'s',
        )
    elif one.name == "python" and not python:
        yield Fault(
            ("environments", index, "name"),
            "is python, but services.python.enabled is false; set that to true",
        )
