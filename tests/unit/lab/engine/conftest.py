"""A project in a temporary folder, and the stand-in's command run on it in this process."""

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.engine.main import main
from tests.unit.lab.engine.fake_cloud import FakeCloud
from tests.unit.lab.engine.replaying_provider import serve

PASSPHRASE = "correct horse"
# Of that passphrase: with a salt of their own, each test would derive a key of its own, for half a second.
SALT = "v1:rv/NRfvuPcw=:v1:mrMzzVW/ujOeLqUz:T0KnfAJLGYoqhMvZL9UoLYa4F0HAwA=="
# What programs in tests begin with: the one type of the small cloud.
PREAMBLE = """
import pulumi
from pulumi import ResourceOptions as R
config = pulumi.Config()

class Thing(pulumi.CustomResource):
    token: pulumi.Output[str]
    value: pulumi.Output[str]
    def __init__(self, name, opts=None, **props):
        super().__init__("fake:index:Thing", name, {"name": name, "token": None, **props}, opts)
"""


@dataclass
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@dataclass
class Command:
    """`pulumi` in a project's folder."""

    folder: Path

    def __call__(self, *arguments: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["--cwd", str(self.folder), *arguments])
        return Ran(status, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str) -> str:
        """Standard output of a command that must succeed."""
        ran = self(*arguments)
        assert ran.status == 0, ran.out + ran.err
        return ran.out

    @property
    def state(self) -> Path:
        return next((self.folder / "state" / ".pulumi" / "stacks").rglob("dev.json"))

    @property
    def stack_file(self) -> Path:
        return self.folder / "Pulumi.dev.yaml"


@pytest.fixture
def make_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Command]:
    """A project named probe with this program, and an empty stack dev."""

    def make(program: str) -> Command:
        (tmp_path / "Pulumi.yaml").write_text("name: probe\nruntime: python\n", encoding="utf-8")
        (tmp_path / "__main__.py").write_text(program, encoding="utf-8")
        (tmp_path / "Pulumi.dev.yaml").write_text(f"encryptionsalt: {SALT}\n", encoding="utf-8")
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/state")
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
        for name in ("PULUMI_STACK", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            monkeypatch.delenv(name, raising=False)
        command = Command(tmp_path)
        command.ok("stack", "init", "dev")
        return command

    return make


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    """The small cloud, named in PULUMI_DEBUG_PROVIDERS."""
    found = FakeCloud()
    server, port = serve(found)
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"fake:{port}")
    yield found
    server.stop(None)


Make = Callable[[str], Command]
UP = ("up", "--yes", "--skip-preview")


def rewrite(command: Command, program: str) -> None:
    (command.folder / "__main__.py").write_text(PREAMBLE + program, encoding="utf-8")
