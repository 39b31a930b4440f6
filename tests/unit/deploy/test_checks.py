"""Programs that are asked at once, by a real Python: each says what it says alone."""

import contextlib
import subprocess
import sys
from pathlib import Path
from shlex import join

import pytest

from deploy.programs import Reply, Says

PROGRAMS = {
    "clean": "sys.exit(0)",
    "due": "sys.exit(3)",
    "falls off its end": "pass",
    "says why": "sys.exit('why')",
    "raises": "raise ValueError('why')",
    "is killed": "os.kill(os.getpid(), 9)",
    "imports what lies beside it": "import beside; sys.exit(beside.STATUS)",
    "is told to check": "sys.exit(7 if sys.argv[1:] == ['an argument'] else 1)",
    "is the main module": "sys.exit(8 if __name__ == '__main__' and sys.modules['__main__'].os is os else 1)",
    "reads": "sys.exit(9 if sys.stdin.read() == '' else 1)",
    "says much": "print('a\\n\\nb \\x85 c' * 50000)",
    "has a child that speaks": "import subprocess; subprocess.run(['echo', 'child'])",
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
    return done.stdout.split("\n")[:-1]  # as pyinfra has lines


def test_many_say_what_each_says_alone(lines: list[str]) -> None:
    alone = [Says().process(said(Says().command(line))) for line in lines]
    assert [reply.status for reply in alone] == [0, 3, 0, 1, 1, 137, 6, 7, 8, 9, 0, 0, 10]
    assert alone[0] == Reply(0, ("noise",))
    asked = [{"line": line} for line in lines]
    for _ in range(2):  # the second time compiled
        output = said(Says.together(asked))
        assert [Says().process(list(one)) for one in Says.apart(asked, output)] == alone


def test_a_program_that_was_replaced_is_the_new_one(lines: list[str], tmp_path: Path) -> None:
    asked = [{"line": lines[0]}]
    said(Says.together(asked))
    program = tmp_path / "clean"
    program.write_text(program.read_text() + "sys.exit(4)\n")
    program.write_text(program.read_text().replace("sys.exit(0)", ""))
    assert Says.apart(asked, said(Says.together(asked)))[0][-1] == "4"


def test_what_lies_where_it_runs_is_not_imported(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "json.py").write_text("raise SystemExit(5)")
    with contextlib.chdir(tmp_path / "elsewhere"):
        assert len(said(Says.together([{"line": lines[0]}]))) == 1


def test_replies_that_are_missing_are_nobodys(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        Says.apart([{"line": line} for line in lines], ['[0, ""]'])
