"""What each module of deploy/ says of its service, in the same words: its SERVICE, which main.py lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from workbench.settings import Settings
from workbench.stack import Context

if TYPE_CHECKING:
    from deploy.uv import Environment


class Configure(Protocol):
    """A pyinfra deploy."""

    def __call__(self, *, context: Context) -> object:
        """Adds its operations."""


def none(_: Settings) -> tuple[()]:
    """No packages, no environments."""
    return ()


@dataclass(frozen=True)
class Service:
    """`configure` sees to all that the host has of it, its units too; with the service off, to that it does not run.

    `packages` are Debian's that the settings ask for, `environments` locked ones (deploy/locks). All of them are begun
    with before anything is configured. Those of the `system` are installed by then; the others are where main.py says.
    """

    configure: Configure
    packages: Callable[[Settings], Sequence[str]] = none
    environments: Callable[[Settings], Sequence["Environment"]] = none
    system: bool = False
