"""Another size for the server, in place: refused before anything stops, and put back where AWS cannot carry it out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer

from cli import cloud, common, engine, grace
from connector import configure
from workbench import instance_types, stackfile
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

SizeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="instance type, such as m6i.large")]
_NO_CAPACITY = ("InsufficientInstanceCapacity", "InsufficientHostCapacity")
_QUOTA = ("VcpuLimitExceeded", "InstanceLimitExceeded")


def judge(size: str) -> None:
    """Raises WorkbenchError where nobody should have that size from a command, whatever AWS says of it.

    A stack file may name it all the same: who writes it there may have a driver of their own.
    """
    if instance_types.is_accelerated(size):
        raise WorkbenchError(
            f"{size} has a GPU or another accelerator, which is paid for and which nothing here drives; take another "
            "type, or write it into the stack file if you mean it. Nothing was changed."
        )


class Written:
    """The new size in the stack file, for as long as somebody has to see it there.

    That is in the preview, and once it is carried out. It is not while people are asked or given time: who ends this
    process then has changed nothing.
    """

    def __init__(self, name: str, size: str) -> None:
        """Judges the settings as they are and with the size, and leaves them as they are. Raises WorkbenchError."""
        self._path = stackfile.path_of(name)
        self.size = size
        stackfile.check(self._path)
        self._before = self._after = self._path.read_text()
        with self.shown():
            pass

    def write(self) -> None:
        """Writes it. Raises WorkbenchError where the settings are not fine with it; the file is then as it was."""
        self._before = self._path.read_text()
        stackfile.set_value(self._path, "size", self.size)
        self._after = self._path.read_text()
        try:
            stackfile.check(self._path)
        except WorkbenchError:
            self.take_back()
            raise

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The file has the size for as long as the block runs, also where this process is ended from outside meanwhile.

        By anything but kill -9, which leaves it there.
        """
        with grace.interruptible():
            try:
                self.write()
                yield
            finally:
                self.take_back()

    def take_back(self) -> None:
        """The file as it was; nothing where it has been edited meanwhile, whose editor has seen the size."""
        if self._path.read_text() == self._after:
            stackfile.write(self._path, self._before)


def put_back(name: str, before: Outputs, size: str, error: engine.RunFailedError) -> NoReturn:
    """After a run that was to give the server another size and failed: the old size, running, also in the stack file.

    Where the server runs, it failed elsewhere, and nothing is done. Raises WorkbenchError, which says how it is now.
    """
    server = cloud.instance(before)
    if server is None or server.state == "running":
        raise error
    old = before.instance_type
    why = _why(size, before, error)
    with common.stage(f"Put the size {old} back"):
        try:
            cloud.become(before, old)
        except WorkbenchError as failure:
            stackfile.set_value(stackfile.path_of(name), "size", old)
            raise WorkbenchError(
                f"{why} {_as_it_is(before)}: {failure} Nothing is lost.{_refreshed(name)}"
            ) from None
        stackfile.set_value(stackfile.path_of(name), "size", old)
        unknown = _refreshed(name)
        configure.wait_for_ssh(before.address)
    raise WorkbenchError(
        f"{why} The server is {old} again and runs, and the stack file says so; try another type, or later.{unknown}"
    )


def _as_it_is(before: Outputs) -> str:
    """What AWS says of a server that could not be put back, and which command goes on from there."""
    try:
        server = cloud.instance(before)
    except WorkbenchError:
        server = None
    if server is None:
        return "What became of the server AWS does not say; `workbench up` goes on"
    asleep = server.type == before.instance_type and server.state in {"stopping", "stopped"}
    again = "workbench start" if asleep else "workbench up"
    return f"The server {server.id} is {server.state}, as {server.type}; `{again}` tries again"


def _refreshed(name: str) -> str:
    """Has the state know what AWS has; "" or what is to be done where it could not be brought to.

    It may have the new size already, by which the next run would stop the server for nothing.
    """
    try:
        engine.run(name, "refresh", "--yes", "--skip-preview", program=False, silent=True)
    except WorkbenchError:
        return f" The state does not know it yet: `pulumi refresh --stack {name}` before the next `workbench up`."
    return ""


def _why(size: str, before: Outputs, error: engine.RunFailedError) -> str:
    said = str(error)
    if any(code in said for code in _NO_CAPACITY):
        return f"AWS has no capacity for {size} in {before.zone} at present."
    if any(code in said for code in _QUOTA):
        return f"Your AWS account may not have as many CPUs as {size} takes; AWS raises this quota of EC2 on request."
    return said
