"""The stand-in for Pulumi's Python language host (tools/pulumi/language_host.py), by itself and under the real CLI."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit import pulumi_project
from tests.unit.pulumi_project import COMMANDS, needs_pulumi

HOST = Path(__file__).parents[2] / "tools" / "pulumi" / "language_host.py"
ENDS_WITHIN = 15  # seconds, on a busy machine


@contextmanager
def started(engine: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The host, and the port that it says it listens on."""
    command = [sys.executable, str(HOST), "--root=.", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_it_says_its_port_and_ends_with_its_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        address = f"127.0.0.1:{engine.getsockname()[1]}"
        with started(address) as (process, port):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            assert process.poll() is None
            engine.close()
            assert process.wait(ENDS_WITHIN) == -signal.SIGTERM


def test_it_ends_without_a_word_when_it_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        with started(f"127.0.0.1:{engine.getsockname()[1]}") as (process, _):
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=ENDS_WITHIN)
        assert (process.returncode, out, said) == (0, "", "")


def is_ours() -> bool:
    """Whether the stand-in is what the CLI finds; where the official host came with the CLI it is not tested."""
    found = COMMANDS / "pulumi-language-python"
    return found.exists() and b"language_host.py" in found.read_bytes()[:1000]


under_the_cli = pytest.mark.skipif(not is_ours(), reason="the CLI has its official host here")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project") / "template"
    pulumi_project.make(root)
    return root


def up(template: Path, root: Path, source: str) -> subprocess.CompletedProcess[str]:
    shutil.copytree(template, root / "project")
    (root / "project" / "__main__.py").write_text(source)
    return pulumi_project.pulumi(root / "project", "up", "--yes", "--skip-preview", "--stack", "dev")


def diagnostics(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr).partition("Diagnostics:")[2].partition("Outputs:")[0]


@needs_pulumi
@under_the_cli
def test_a_program_runs_in_its_folder_with_its_settings(template: Path, tmp_path: Path) -> None:
    source = (
        "import os, pulumi\n"
        "import beside\n"
        "pulumi.export('word', pulumi.Config('tiny').require('word'))\n"
        "pulumi.export('raw', 'tiny:word' in os.environ['PULUMI_CONFIG'])\n"
        "pulumi.export('folder', os.path.basename(os.getcwd()))\n"
    )
    (tmp_path / "project").mkdir()
    shutil.copytree(template, tmp_path / "project", dirs_exist_ok=True)
    with (tmp_path / "project" / "Pulumi.dev.yaml").open("a") as file:
        file.write("config:\n  tiny:word: sky\n")
    (tmp_path / "project" / "beside.py").touch()
    (tmp_path / "project" / "__main__.py").write_text(source)
    done = pulumi_project.pulumi(tmp_path / "project", "up", "--yes", "--skip-preview", "--stack", "dev")
    assert done.returncode == 0, done.stdout
    said = re.sub(r"\s+", " ", done.stdout)
    assert 'folder: "project"' in said
    assert "raw : true" in said
    assert 'word : "sky"' in said


@needs_pulumi
@under_the_cli
def test_what_a_program_refuses_is_logged_once(template: Path, tmp_path: Path) -> None:
    done = up(template, tmp_path, "import pulumi\nraise pulumi.RunError('There is no sky.')\n")
    assert done.returncode != 0
    assert diagnostics(done).count("There is no sky.") == 1
    assert "Traceback" not in diagnostics(done)


@needs_pulumi
@under_the_cli
def test_a_fault_of_a_program_is_logged_once_with_its_traceback(template: Path, tmp_path: Path) -> None:
    done = up(template, tmp_path, "{}['sky']\n")
    assert done.returncode != 0
    assert diagnostics(done).count("KeyError: 'sky'") == 1
    assert "__main__.py" in diagnostics(done)
