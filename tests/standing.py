"""A stack of the bare lab that stands, with work on its data volume, and what must hold of it after each fault.

Shared by the tests of a module: what has not come to its end whole is thrown away, and the next test gets another.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.life_in_lab import Lab, Stack, content, disk_of

VOLUME = "aws:ebs/volume:Volume"
SERVER = "aws:ec2/instance:Instance"
SIZES = ("t3.medium", "m6i.large")


def write_work(volume: str) -> None:
    """A filesystem with odd files on it, on a volume that nothing has mounted."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for number in range(200):
            (top / f"file {number}\n'é'").write_bytes(bytes([number]) * 37 * number)
        (top / "link").symlink_to("nowhere")
        (top / "twin").hardlink_to(top / "file 7\n'é'")
        subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-d", folder, str(disk_of(volume))], check=True, capture_output=True
        )


class Standing:
    """It, and what is on its data volume."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.workbench("up", "--yes")
        write_work(self.volume)
        self.work = content(self.volume)
        self.whole = True

    @property
    def volume(self) -> str:
        """The data volume, as the state has it."""
        (volume,) = self.stack.in_state()[VOLUME]
        return volume

    def server(self) -> dict[str, object]:
        """The account's only server, as AWS describes it."""
        (server,) = self.stack.in_account()[SERVER]
        found = self.stack.client("ec2").describe_instances(InstanceIds=[server])["Reservations"]
        return dict(found[0]["Instances"][0])

    @property
    def state(self) -> str:
        told = self.server()["State"]
        assert isinstance(told, dict)
        return str(told["Name"])

    def other_size(self) -> str:
        """A type that the server does not have."""
        return next(size for size in SIZES if size != self.server()["InstanceType"])

    def repaired(self, *options: str) -> str:
        """What the next `up` says: all is in order then, and the work as it was; the one after it has nothing to do."""
        said = self.stack.workbench("up", "--yes", *options)
        assert "Traceback" not in said
        again = self.stack.workbench("up", "--yes")
        assert "unchanged" in again
        assert not {"created", "updated", "replaced", "deleted"} & set(again.split()), again
        self.in_order()
        return said

    def in_order(self) -> None:
        """The server runs and has the volume, with the work on it; AWS has what the state has; nothing is left over."""
        assert self.state == "running"
        assert self.stack.in_account() == self.stack.in_state()
        attached = self.stack.client("ec2").describe_volumes(VolumeIds=[self.volume])["Volumes"][0]
        assert [(one["InstanceId"], one["State"]) for one in attached["Attachments"]] == [
            (self.server()["InstanceId"], "attached")
        ]
        assert content(self.volume) == self.work
        # Of the server, which may be booting still, it may have something to say.
        assert f"Stack {self.stack.name} is well" in self.stack.workbench("doctor", check=False)
        self.whole = True


class Stands:
    """Gives the stack that stands, or another where that is not whole any more."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._held = ExitStack()
        self._one: Standing | None = None

    def one(self) -> Standing:
        if self._one is None or not self._one.whole:
            self.end()
            self._one = Standing(self._held.enter_context(self._lab.stack()))
        self._one.whole = False  # until a test has come to its end
        return self._one

    def end(self) -> None:
        self._held.close()
        self._one = None


@contextmanager
def stands(lab: Lab) -> Iterator[Stands]:
    """For a fixture of a module."""
    one = Stands(lab)
    try:
        yield one
    finally:
        one.end()
