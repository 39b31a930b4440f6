"""A server that was started from an image installs the security fixes that the image lacks, once it is configured.

Not before, so that nobody waits for them: the hub answers by then, and what is replaced under it restarts by itself, as
it does every day (deploy/base.py). A mark of the image (workbench_host/image) says that it is still to be done; it goes
once the fixes are there, so that the next deploy makes up for a run which was cut off.
"""

from collections.abc import Generator

from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy import files
from workbench.host import program_path
from workbench_host.image import BAKED

UNIT = "workbench-updates.service"  # a transient one
# As Debian's own daily work: behind what people compute.
_BEHIND = "-p Nice=10 -p IOSchedulingClass=idle -p PrivateTmp=yes -p KillMode=process"


class Waiting(FactBase[bool]):
    """Whether the fixes are to be installed, and nothing is at it."""

    def command(self) -> str:
        return f"[ ! -e {BAKED} ] || systemctl is-active --quiet {UNIT} || echo waiting"

    def process(self, output: list[str]) -> bool:
        return output == ["waiting"]

    @staticmethod
    def default() -> bool:
        return False


@deploy("updates")
def updates() -> None:
    """The last that a deploy does on the host: it begins with them, and does not wait."""
    begin(name="Begin with the security fixes that the image lacks")


@operation()
def begin() -> Generator[StringCommand, None, None]:
    """Has the host install them by itself, in a transient unit."""
    if not host.get_fact(Waiting):
        host.noop("nothing is to be made up for")
        return
    yield files.Described(
        f"systemd-run --quiet --collect {_BEHIND} --unit={UNIT} {program_path('image')} update",
        "begin to install security fixes",
    )
