"""`workbench notice`, and how people at work are told of; what the server would say is the test's."""

import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import activity, notice, remote, server
from cli.common import console
from cli.main import app
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench_host.activity import Person

FACTS = Outputs.model_construct(address="192.0.2.7")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server was asked."""
    lines: list[str] = []

    def report(_: Outputs, program: str, *__: object) -> dict[str, Any]:
        lines.append(program.removeprefix(notice.NOTICE).strip())
        return {"notices": ["[b] It's six"], "terminals": 2}

    monkeypatch.setattr(notice.remote, "report_of", report)
    monkeypatch.setattr(notice.common, "enter", lambda stack: stack)
    monkeypatch.setattr(notice.stacks, "outputs", lambda _: FACTS)
    monkeypatch.setattr(notice.cloud, "running", lambda facts: facts)
    return lines


def test_what_is_typed_reaches_the_server_as_one_word(asked: list[str]) -> None:
    with console.capture() as said:
        done = CliRunner().invoke(app, ["notice", "  It's six;\n`id` $HOME  "])
    assert done.exit_code == 0
    assert asked == ["""set 'It'"'"'s six; `id` $HOME'"""]
    assert "To be seen: [b] It's six\n2 open terminals were told" in said.get()


@pytest.mark.parametrize(("arguments", "line"), [(["--clear"], "clear"), ([], "apply")])
def test_it_is_taken_back_or_looked_at(asked: list[str], arguments: list[str], line: str) -> None:
    assert CliRunner().invoke(app, ["notice", *arguments]).exit_code == 0
    assert asked == [line]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([""], "The notice is empty; say what everybody is to read, or --clear to take it back."),
        ([" \n\t\u00a0"], "The notice is empty; say what everybody is to read, or --clear to take it back."),
        (["\x1b[31mred"], "The notice holds the character U+001B; takes one line of plain text."),
        (["\x9b31m"], "The notice holds the character U+009B; takes one line of plain text."),
        (["a\u202eb"], "The notice holds the character U+202E; takes one line of plain text."),
        (["x" * 501], "The notice has 501 characters; takes at most 500."),
        (["x", "--clear"], "A text gives a notice and --clear takes it back; say one of both."),
    ],
)
def test_what_is_no_notice_is_refused_in_a_sentence(
    asked: list[str], arguments: list[str], sentence: str
) -> None:
    done = CliRunner().invoke(app, ["notice", *arguments])
    assert (type(done.exception), str(done.exception)) == (WorkbenchError, sentence)
    assert asked == []


def test_other_commands_tell_and_take_back(asked: list[str]) -> None:
    notice.tell(FACTS, "Restart in 5 minutes", 420)
    notice.take_back(FACTS)
    assert asked == ["coming 420 'Restart in 5 minutes'", "over"], "an administrator's notice stays"
    with pytest.raises(WorkbenchError, match="The notice is empty"):
        notice.tell(FACTS, "", 420)


def test_people_at_work_have_a_line_each() -> None:
    people = [Person("ada", 1, 2, 0, True), Person("grace", 0, 0, 1, False)]
    assert activity.lines(people) == ["ada: 1 login, 2 kernels, computing", "grace: 1 RStudio session, idle"]
    assert activity.lines([]) == ["nobody"]


def test_people_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"people": [{"user": "ada", "logins": 1, "kernels": 0, "rstudio": 0, "computing": False}]}
    monkeypatch.setattr(activity.remote, "report_of", lambda *_: told)
    assert activity.people(FACTS) == [Person("ada", 1, 0, 0, False)]


def test_status_shows_who_is_at_work() -> None:
    report: dict[str, Any] = {
        "stack": "s",
        "url": None,
        "instance": {"id": "i", "type": "t", "state": "running"},
        "services": {"proxy": {"state": "up", "detail": ""}},
        "disk": {},
        "memory": {},
        "people": [vars(Person("ada", 1, 0, 0, True)), vars(Person("grace", 2, 0, 0, False))],
    }
    with console.capture() as said:
        server._show(report)
    lines = [" ".join(line.split()) for line in said.get().splitlines()]
    assert "at work │ ada: 1 login, computing" in [line.strip("│ ") for line in lines]
    assert "grace: 2 logins, idle" in said.get()


def test_a_server_of_before_is_told_what_to_do_about(monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"sudo: {notice.NOTICE}: command not found"
    done = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(remote.stacks, "ssh_command", lambda _: ["ssh"])
    monkeypatch.setattr(remote.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(WorkbenchError) as error:
        notice.take_back(FACTS)
    assert str(error.value) == (
        "192.0.2.7 could not be asked for its notices: it has no such program yet, which `workbench deploy` brings."
    )
