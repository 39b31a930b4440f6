"""The plan as people see it; who is at work is told by a fake."""

import io
from collections.abc import Sequence

import pytest
import typer

from cli import activity, common, plan
from cli.plan import Plan
from tests.unit.connector.deploying import FACTS
from workbench import prices
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench_host.activity import Person

OUTPUTS = Outputs.model_validate(FACTS)
ADA = Person("ada", logins=1, kernels=2, rstudio=0, computing=True)
PLAN = Plan(
    ["The server is stopped."],
    server=OUTPUTS,
    down="about two minutes",
    kept="all data",
    before=[prices.server("t3.medium")],
    after=[prices.server("t3.medium", "stopped")],
)


def people(monkeypatch: pytest.MonkeyPatch, found: Sequence[Person] | WorkbenchError) -> None:
    def asked(facts: Outputs) -> list[Person]:
        if isinstance(found, WorkbenchError):
            raise found
        return list(found)

    monkeypatch.setattr(activity, "people", asked)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_the_screen_says_what_happens_to_whom_for_how_long_what_stays_and_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(monkeypatch, [ADA])
    working = plan.show(PLAN)
    assert working is not None
    assert [person.user for person in working.busy] == ["ada"]
    assert shown(capsys).splitlines() == [
        "What happens",
        "  The server is stopped.",
        f"At work now: {activity.described(ADA)}.",
        "Down: about two minutes.",
        "Kept: all data.",
        "Costs: about 30.37 USD a month now, about 0.00 USD a month afterwards (estimates for us-east-1).",
    ]


def test_where_the_server_does_not_say_who_is_at_work_the_plan_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(monkeypatch, WorkbenchError("198.51.100.7 could not be asked."))
    plan.show(PLAN)
    assert "At work now: the server does not say who is at work (198.51.100.7 could not be asked)." in shown(
        capsys
    )


def test_with_yes_it_is_a_paragraph_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(monkeypatch, [])
    plan.confirm(PLAN, yes=True)
    (line,) = shown(capsys).splitlines()
    assert line.startswith("The server is stopped. At work now: nobody. Down: about two minutes.")


def test_a_no_stops_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    people(monkeypatch, [])
    monkeypatch.setattr(common.console, "quiet", True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(typer.Abort):
        plan.confirm(PLAN, yes=False)
    assert common.console.quiet is False, "who is asked is shown about what"


def test_nobody_is_asked_who_is_at_work_where_nobody_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(monkeypatch, WorkbenchError("not to be asked"))
    assert plan.show(Plan(["The firewall opens port 22 to 192.0.2.1/32."])) is None
    assert "At work" not in shown(capsys)
