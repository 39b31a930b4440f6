"""Users are told, and given time; who calls it off takes the notice back."""

import os
import signal
from typing import Any

import pytest

from cli import grace, notice
from tests.unit.connector.deploying import FACTS
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

OUTPUTS = Outputs.model_validate(FACTS)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What users are told, in order; "" where it is taken back."""
    said: list[str] = []
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: said.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: said.append(""))
    return said


@pytest.mark.parametrize("minutes", [-1, 1441, 10**9])
def test_a_time_that_nobody_can_be_given_is_refused(minutes: int) -> None:
    with pytest.raises(WorkbenchError, match=rf"--grace is {minutes}; takes minutes from 0 .* to 1440"):
        grace.judge(minutes)


def test_users_are_told_when_and_the_time_is_waited_for(
    told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(grace.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(grace.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    grace.wait(OUTPUTS, 3, "is stopped")
    assert clock[0] == pytest.approx(180)
    (text,) = told
    assert "The workbench is stopped at " in text
    assert "in 3 minutes. Please save your work." in text
    assert "2 min left; Ctrl-C calls it off" in capsys.readouterr().out
    grace.over(OUTPUTS, 3)
    assert told == [text, ""]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_called_off_it_takes_the_notice_back(
    told: list[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(grace.time, "sleep", lambda seconds: os.kill(os.getpid(), number))
    handler = signal.default_int_handler  # whatever this process was started with: it may ignore one
    before = signal.signal(number, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            grace.wait(OUTPUTS, 3, "is stopped")
        assert told[-1] == ""
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_called_off_it_says_how_it_is_then(
    told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grace, "_wait", lambda seconds: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        grace.wait(OUTPUTS, 3, "is stopped", called_off="the new server goes again")
    assert "Called off: the new server goes again." in capsys.readouterr().out


def test_what_is_ignored_as_under_nohup_does_not_call_it_off(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grace, "_wait", lambda seconds: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        grace.wait(OUTPUTS, 3, "is stopped")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "" not in told


def test_where_users_cannot_be_told_it_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise WorkbenchError("198.51.100.7 does not answer.")

    monkeypatch.setattr(notice, "tell", refuse)
    with pytest.raises(
        WorkbenchError, match=r"could not be told, so nothing was changed: .* does not answer"
    ):
        grace.wait(OUTPUTS, 3, "is stopped")


def test_a_server_that_is_gone_by_then_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise WorkbenchError("it does not answer.")

    monkeypatch.setattr(notice, "take_back", refuse)
    grace.over(OUTPUTS, 3)
    assert "The notice could not be taken back: it does not answer." in capsys.readouterr().out


def test_no_time_is_no_notice(told: list[str]) -> None:
    grace.wait(OUTPUTS, 0, "is stopped")
    grace.over(OUTPUTS, 0)
    assert told == []
