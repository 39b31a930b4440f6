"""Programs that are asked at once, by a real Python: each status is the one that its program exits with alone."""

import subprocess
import sys
from pathlib import Path
from shlex import join

import pytest

from deploy.programs import CheckStatus

PROGRAMS = {
    "clean": "sys.exit(0)",
    "due": "sys.exit(3)",
    "falls off its end": "pass",
    "says why": "sys.exit('why')",
    "raises": "raise ValueError('why')",
    "is killed": "os.kill(os.getpid(), 9)",
    "imports what lies beside it": "import beside; sys.exit(beside.STATUS)",
    "is told to check": "sys.exit(7 if sys.argv[1:] == ['an argument', '--check'] else 1)",
    "is the main module": "sys.exit(8 if __name__ == '__main__' and sys.modules['__main__'].os is os else 1)",
    "reads": "sys.exit(9 if sys.stdin.read() == '' else 1)",
    "takes long": "import time; time.sleep(0.5); sys.exit(10)",
}


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """Command lines of the programs."""
    (tmp_path / "beside.py").write_text("STATUS = 6\n")
    made = []
    for name, body in PROGRAMS.items():
        program = tmp_path / name
        program.write_text(f"#!{sys.executable} -S\nimport os, sys\nprint('noise', flush=True)\n{body}\n")
        program.chmod(0o755)
        made.append(join([str(program), "an argument"]))
    return made


def said(command: str) -> list[str]:
    here = command.replace("/usr/bin/python3", sys.executable, 1)
    done = subprocess.run(
        ["sh", "-c", here], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.splitlines()


def test_many_have_the_status_that_each_has_alone(lines: list[str]) -> None:
    alone = [CheckStatus().process(said(CheckStatus().command(line))) for line in lines]
    assert alone == [0, 3, 0, 1, 1, 137, 6, 7, 8, 9, 10]
    asked = [{"line": line} for line in lines]
    output = said(CheckStatus.together(asked))
    assert [CheckStatus().process(list(one)) for one in CheckStatus.apart(asked, output)] == alone


def test_statuses_that_are_missing_are_nobodys(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        CheckStatus.apart([{"line": line} for line in lines], ["0"])
