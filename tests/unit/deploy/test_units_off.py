"""What systemd is asked to do where a service is off."""

from typing import Any

import pytest

from deploy import units
from deploy.units import UnitState

UNIT = "workbench-test.service"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, ["systemctl stop workbench-test.service", "systemctl disable workbench-test.service"]),
        ({"active": False, "down": True}, ["systemctl disable workbench-test.service"]),
        (
            {"active": False},
            ["systemctl stop workbench-test.service", "systemctl disable workbench-test.service"],
        ),
        ({"enabled": False}, ["systemctl stop workbench-test.service"]),
        ({"active": False, "enabled": False, "loaded": False, "down": True}, []),
    ],
    ids=["runs", "down", "about to run", "runs and would not start", "there is none"],
)
def test_a_unit_that_is_off_neither_runs_nor_starts(
    state: dict[str, bool], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    well = {"loaded": True, "enabled": True, "active": True, "unwanted": False, "stale": False}
    host = type("Host", (), {"get_fact": lambda *_, **__: UnitState(**{**well, **state})})()
    monkeypatch.setattr(units, "host", host)
    assert [str(command) for command in units.off._inner(unit=UNIT)] == said


def ending(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> list[Any]:
    """What the operation runs where systemctl lists this."""

    class Host:
        def get_fact(self, fact: type, pattern: str) -> list[str]:
            assert (fact, pattern) == (units.Running, "jupyter-*-singleuser.service")
            return units.Running().process(said) if said else units.Running.default()

        def noop(self, _: str) -> None:
            pass

    monkeypatch.setattr(units, "host", Host())
    pattern = "jupyter-*-singleuser.service"
    return list(units.end._inner(pattern=pattern, before="suspend"))


def test_what_a_service_that_is_off_has_started_is_stopped_whoever_stopped_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [
        "jupyter-ada-singleuser.service   loaded active running /bin/sh",
        "jupyter-ada:b-singleuser.service loaded active running /bin/sh",
    ]
    (command,) = ending(monkeypatch, said)
    assert str(command) == "suspend; systemctl stop 'jupyter-*-singleuser.service'"
    assert command.what == "stop jupyter-ada-singleuser.service, jupyter-ada:b-singleuser.service"
    assert ending(monkeypatch, []) == []
