"""Users of the host who attack, or are attacked, each with no more than an account."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from lab.visitor import PYTHON, Visitor
from tests.workbench_in_lab import Workbench
from workbench.errors import WorkbenchError

EVERYBODY = "/srv/workbench/shared/everybody"


def as_user(workbench: Workbench, name: str, script: str) -> str:
    """What a login shell of the user prints for the script, errors too."""
    login = f"su -l {name} -c {shlex.quote(script)} 2>&1 < /dev/null"
    said = workbench.ssh(login, check=False).stdout
    return "".join(f"{line}\n" for line in said.splitlines() if not line.startswith("Last login: "))


def by_grace(workbench: Workbench, script: str) -> str:
    """What a shell of hers in her home says, errors too; no login, so that it is quick."""
    return workbench.ssh(
        f"runuser -u grace -- sh -c {shlex.quote(f'cd; ({script}) 2>&1')}", check=False
    ).stdout


def attempt(visitor: Visitor, code: str, kernel: str = PYTHON) -> str:
    """What the code prints, or how it failed."""
    try:
        return visitor.run_code(code, kernel=kernel)
    except WorkbenchError as error:
        return str(error)


@contextmanager
def visiting(workbench: Workbench, name: str) -> Iterator[Visitor]:
    """The user with a server that runs."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login(name, workbench.password(name))
        visitor.spawn()
        yield visitor
