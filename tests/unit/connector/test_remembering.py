"""The connector cannot lie: whatever happens, the host ends as it does with pyinfra's own connector."""

from pathlib import Path

import pytest

from connector import quick
from connector.session import Question, Session
from tests.unit.connector import loopback
from tests.unit.connector.comparing import compared, state
from tests.unit.connector.loopback import Ours, note, python, remembering, shell


def test_a_second_run_asks_nothing_in_the_ordinary_way(host: Path) -> None:
    def deploy() -> None:
        for number in range(4):
            note(line=f"echo {number}", dest=f"{host}/{number}")

    assert compared(host, deploy).commands == []
    assert len(state(host)) == 4


def test_a_fact_that_reads_what_an_operation_before_it_changed_is_read_after_it(host: Path) -> None:
    def deploy() -> None:
        note(line=f"cat {host}/hand", dest=f"{host}/a")
        note(line=f"cat {host}/a", dest=f"{host}/b")
        note(line=f"cat {host}/b", dest=f"{host}/c")

    (host / "hand").write_text("one\n")
    second = compared(host, deploy, lambda: (host / "hand").write_text("two\n"))
    assert second.changes == 3
    assert b"two" in state(host)["c"]


def test_a_host_changed_by_hand_between_two_runs_is_repaired(host: Path) -> None:
    def deploy() -> None:
        for number in range(4):
            note(line=f"echo {number}", dest=f"{host}/{number}")

    second = compared(host, deploy, lambda: (host / "2").write_text("by hand"))
    assert second.changes == 1
    assert [command for command in second.commands if "echo 1" in command] == [], (
        "before the change: answered"
    )
    assert [command for command in second.commands if "echo 3" in command] == [], (
        "after it: asked anew at once"
    )


def test_after_a_change_what_is_left_is_asked_once_more_and_seldom_in_vain(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a change follows upon a change, a batch would be asked for nothing each time."""
    asked: list[int] = []
    ask = Session.ask

    def count(self: Session, questions: list[Question], *more: object) -> None:
        asked.append(len(questions))
        ask(self, questions, *more)

    monkeypatch.setattr(Session, "ask", count)

    def deploy() -> None:
        for number in range(40):
            note(line=f"echo {number}", dest=f"{host}/{number}")

    loopback.run(deploy, Ours, **remembering(host.parent))
    (host / "7").write_text("by hand")
    asked.clear()
    second = loopback.run(deploy, Ours, **remembering(host.parent))
    assert (second.changes, asked) == (1, [80, 64])
    assert second.commands == [f"cat > {host}/7"]
    for path in host.iterdir():
        path.write_text("by hand")
    asked.clear()
    assert loopback.run(deploy, Ours, **remembering(host.parent)).changes == 40
    assert len(asked) < 6


def test_an_operation_is_judged_by_the_host_as_the_one_before_it_left_it(host: Path) -> None:
    """Each changes what the next reads, and the batch that is asked in between knows of the first change only."""

    def deploy() -> None:
        for number in range(12):
            note(line=f"cat {host}/{number}", dest=f"{host}/{number + 1}")

    (host / "0").write_text("one\n")
    second = compared(host, deploy, lambda: (host / "0").write_text("two\n"))
    assert second.changes == 12


def test_what_a_function_of_this_machine_did_is_seen_by_later_operations(host: Path) -> None:
    def deploy() -> None:
        note(line="echo start", dest=f"{host}/start")
        python(function=lambda: (host / "secretly").write_text("done\n"))
        note(line=f"cat {host}/secretly 2>/dev/null || true", dest=f"{host}/seen")

    compared(host, deploy, lambda: (host / "secretly").write_text("undone\n"))
    assert state(host)["seen"] == b'["done"]\n'


def test_nothing_is_changed_while_the_host_still_reads(host: Path) -> None:
    read = host.parent / "read"

    def deploy() -> None:
        shell(line=f"ls {host.parent} > {host}/listing")
        note(line=f"sleep 1; touch {read}", dest=f"{host}/said")

    loopback.run(deploy, Ours, **remembering(host.parent))
    read.unlink()
    loopback.run(deploy, Ours, **remembering(host.parent))
    assert "read" in (host / "listing").read_text().split()


def test_an_operation_that_failed_ends_the_answers_too(host: Path) -> None:
    def deploy() -> None:
        shell(line=f"echo half > {host}/half; [ ! -e {host}/fail ]", _ignore_errors=True)
        note(line=f"cat {host}/half", dest=f"{host}/seen")

    compared(host, deploy, lambda: [(host / "fail").touch(), (host / "half").write_text("other\n")])
    assert state(host)["seen"] == b'["half"]\n'


@pytest.mark.parametrize(
    "line",
    [
        "printf '%s\\n' \"it's\" '\"quoted\"' '$HOME' '`date`' '\\\\'",
        "printf 'one\ntwo\n\n\nthree'",
        "printf 'a\\r\\nb\\rc\\n'",
        "printf ''",
        "printf '\\n'",
        "printf 'größe ∑ \\342\\202\\254\\n'",
        "echo out; echo err >&2",
        "cat; echo stdin is at its end",
        "echo $0 $# $-; umask; pwd",
        "trap '' PIPE; yes | head -1",
        "locale 2>/dev/null; env | grep -v -e ^_= -e ^LINES= -e ^COLUMNS= -e ^PYTEST | sort",
    ],
)
def test_a_fact_says_the_same_in_a_batch(host: Path, line: str) -> None:
    compared(host, lambda: note(line=line, dest=f"{host}/said"))
    second = loopback.run(lambda: note(line=line, dest=f"{host}/said"), Ours, **remembering(host.parent))
    assert (second.changes, second.commands) == (0, [])


@pytest.mark.parametrize(
    "line",
    [
        "head -c 5000000 /dev/zero | tr '\\0' x; echo",  # 5 MB in a line
        "yes 0123456789 | head -n 110000",  # and in many
        "printf 'no text: \\377\\376\\n'",
        "exit 3",
        "kill -9 $$",
    ],
)
def test_what_is_too_long_or_no_text_or_fails_is_asked_alone(host: Path, line: str) -> None:
    def deploy() -> None:
        note(line="echo before", dest=f"{host}/before")
        note(line=line, dest=f"{host}/said", _ignore_errors=True)

    second = compared(host, deploy)
    assert line in second.commands
    assert "echo before" not in second.commands


def test_another_environment_gets_its_own_answer(host: Path) -> None:
    def deploy() -> None:
        note(line="echo I am $WHO", dest=f"{host}/nobody")
        note(line="echo I am $WHO", dest=f"{host}/ada", _env={"WHO": "ada"})
        note(line="echo I am $WHO", dest=f"{host}/again")
        note(line="echo $BASH_VERSION", dest=f"{host}/bash", _shell_executable="bash")

    second = compared(host, deploy)
    assert state(host)["ada"] == b'["I am ada"]\n'
    assert second.commands.count("echo I am $WHO") == 1
    assert "echo $BASH_VERSION" in second.commands


def test_with_another_version_of_pyinfra_all_is_asked_in_the_ordinary_way(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "fits", lambda: False)
    second = compared(host, lambda: note(line="echo a", dest=f"{host}/a"))
    assert "echo a" in second.commands
