"""Programs that are asked at once, by a real Python from a folder as on the host: each says what it says alone."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import programs
from deploy.programs import Reply, Says

ENDINGS = {
    "clean": "return 0",
    "due": "return 3",
    "says-why": "sys.exit('why')",
    "raises": "raise ValueError('why')",
    "is-killed": "os.kill(os.getpid(), 9)",
    "imports": "from workbench_host import beside; return beside.STATUS",
    "is-told": "return 7 if arguments == ['an argument'] else 1",
    "reads": "return 9 if sys.stdin.read() == '' else 1",
    "says-much": "print('a\\n\\nb \\x85 c' * 50000); return 0",
    "has-a-child": "import subprocess; subprocess.run(['echo', 'child']); return 0",
    "takes-long": "import time; time.sleep(0.5); return 10",
}
LINES = [f"{name} 'an argument'" for name in ENDINGS]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive on the host, with programs that end in all kinds of ways instead of ours."""
    for name, data in programs.contents().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    package = tmp_path / "workbench_host"
    known = {name: name.replace("-", "_") for name in ENDINGS}
    (package / "__init__.py").write_text(f"PROGRAMS = {json.dumps(known)}\n")
    (package / "beside.py").write_text("STATUS = 6\n")
    for name, module in known.items():
        body = f"import os, sys\ndef main(arguments):\n    print('noise')\n    {ENDINGS[name]}\n"
        (package / f"{module}.py").write_text(body)
    ask = tmp_path / "bin" / "ask"
    ask.write_text(ask.read_text().replace("/usr/bin/python3", sys.executable))
    ask.chmod(0o755)
    monkeypatch.setattr(programs, "folder", lambda: str(tmp_path))
    return tmp_path


def said(command: str) -> list[str]:
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.split("\n")[:-1]  # as pyinfra has lines


def test_many_say_what_each_says_alone(folder: Path) -> None:
    alone = [Says().process(said(Says().command(line))) for line in LINES]
    assert [reply.status for reply in alone] == [0, 3, 1, 1, 137, 6, 7, 9, 0, 0, 10]
    assert alone[0] == Reply(0, ("noise",))
    asked = [{"line": line} for line in LINES]
    output = said(Says.batch(asked))
    assert [Says().process(list(one)) for one in Says.split(asked, output)] == alone


def test_what_lies_where_it_runs_is_not_imported(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "json.py").write_text("raise SystemExit(5)")
    with contextlib.chdir(folder / "elsewhere"):
        assert len(said(Says.batch([{"line": LINES[0]}]))) == 1


def test_a_host_that_lacks_this_archive_says_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "folder", lambda: f"{folder}/absent")
    assert said(Says().command(LINES[0])) == []
    assert Says.default().status != programs.tools.CLEAN


def test_replies_that_are_missing_are_nobodys() -> None:
    with pytest.raises(ValueError, match="zip"):
        Says.split([{"line": line} for line in LINES], ['[0, ""]'])
