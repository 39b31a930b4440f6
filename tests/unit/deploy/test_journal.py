"""What a run leaves in the host's journal; the host and pyinfra's state are stood in."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy import journal, progress

ORDER = ["one", "two", "three"]


class Host:
    name = "test"

    def __init__(self) -> None:
        self.op_hash_order = ORDER
        self.written: list[str] = []
        self.commands: list[str] = []

    def run_shell_command(self, command: Any, **how: Any) -> None:
        self.commands.append(str(command))
        self.written += how["_stdin"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(journal, "_begun", set())
    host = Host()
    metas: dict[str, Any] = {}

    def meta(name: str, changes: bool) -> Any:
        commands = ["systemctl restart 'caddy.service'"] if changes else []
        return SimpleNamespace(
            is_complete=lambda: True,
            did_error=lambda: False,
            did_change=lambda: changes,
            _commands=commands,
            stderr_lines=[],
            stdout_lines=[],
        )

    state = SimpleNamespace(
        inventory=SimpleNamespace(get_active_hosts=lambda: [host]),
        get_op_data_for_host=lambda _, name: SimpleNamespace(operation_meta=metas[name]),
        get_op_meta=lambda name: SimpleNamespace(names={f"proxy | {name}"}),
    )

    monkeypatch.setattr(progress, "state", state)

    def ends(*changed: str) -> list[str]:
        for name in ORDER:
            metas[name] = meta(name, name in changed)
            journal.Notes.operation_end(state, name)  # type: ignore[arg-type]
        return host.written

    return SimpleNamespace(ends=ends, host=host, state=state)


def test_a_run_without_a_change_asks_the_host_for_nothing(run: Any) -> None:
    assert run.ends() == []


def test_a_run_with_changes_says_who_began_and_what_changed_in_two_requests(run: Any) -> None:
    begun, *rest = run.ends("two", "three")
    assert begun.startswith("begun by ")
    assert rest == [
        "changed: proxy | two",
        "changed: proxy | three",
        "restart: caddy.service",
        "through: 2 of 3 operations changed something",
    ]
    assert len(run.host.commands) == 2
    assert run.host.commands[0] == "logger -t workbench-deploy -p user.notice"


def test_one_that_fails_is_named_at_once(run: Any) -> None:
    journal.Notes.operation_host_error(run.state, run.host, "two")
    assert run.host.written[1] == "failed: proxy | two; the log of whoever ran it says why"
    assert "user.err" in run.host.commands[1]


def test_a_host_that_is_gone_is_no_matter(run: Any) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError("connection reset")

    run.host.run_shell_command = gone
    run.ends("one")


def test_pyinfra_has_the_callbacks_that_are_overridden() -> None:
    assert journal.DEPLOY == "workbench-deploy"
    for name in ("operation_end", "operation_host_error"):
        assert name in vars(journal.Notes)
        assert hasattr(progress.BaseStateCallback, name)
