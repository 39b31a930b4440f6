"""One screen before anything that stops, replaces or frees: what happens, to whom, for how long, and at what cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import typer

from cli import activity, common
from cli.common import console
from workbench import prices
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench.prices import Part
from workbench_host.activity import Person

# What AWS adds, by its documents and by experience, to what the host itself takes.
RESIZE_DOWN = "about two minutes"
REPLACE_DOWN = "about five minutes"
KEPT = "users, homes and all files, passwords, host keys, certificates: they are on the data volume"


@dataclass(frozen=True)
class Plan:
    """What is to be. `server` is the one that people may be at work on, None where nobody is cut off.

    `down`, `kept`: for how long people cannot work, and what stays; empty where there is nothing to say.
    `before`, `after`: what is paid for, empty where that does not change.
    """

    happens: Sequence[str]
    server: Outputs | None = None
    down: str = ""
    kept: str = ""
    before: Sequence[Part] = field(default=())
    after: Sequence[Part] = field(default=())


@dataclass(frozen=True)
class AtWork:
    """Who is at work on the server; `unknown` says why that is not known."""

    people: Sequence[Person] = ()
    unknown: str = ""

    @property
    def busy(self) -> list[Person]:
        """Those who compute."""
        return [person for person in self.people if person.computing]

    def __str__(self) -> str:
        if self.unknown:
            return f"the server does not say who is at work ({self.unknown})"
        return "; ".join(activity.lines(self.people))


def at_work(facts: Outputs) -> AtWork:
    """Asks the server."""
    try:
        return AtWork(activity.people(facts))
    except WorkbenchError as error:
        return AtWork(unknown=str(error).rstrip("."))


def refuse_computing(facts: Outputs, otherwise: str, unknown: str = "") -> None:
    """Raises WorkbenchError where somebody computes on the server: the sentence goes on with `otherwise`.

    `unknown`: how it goes on where the server does not say who is at work, which is no reason without it. Which command
    refuses when is told in docs/notice.md.
    """
    working = at_work(facts)
    if working.unknown and unknown:
        raise WorkbenchError(f"It was not done, since {working}; {unknown}")
    if computing := [person.user for person in working.busy]:
        raise WorkbenchError(
            f"{', '.join(computing)} {'computes' if len(computing) == 1 else 'compute'} at this moment, and {otherwise}"
        )


def show(plan: Plan, *, short: bool = False) -> AtWork | None:
    """Prints it, short in a paragraph or whole; who is at work, where people are cut off."""
    if not plan.happens:
        console.print("Nothing is to be changed: all is as the settings say.")
        return None
    working = at_work(plan.server) if plan.server else None
    cost = _cost(plan)
    if short:
        told = [*plan.happens, *(f"{title}: {said}." for title, said in _facts(plan, working, cost))]
        console.print(" ".join(told), markup=False)
        return working
    console.print("[bold]What happens[/bold]")
    for sentence in plan.happens:
        console.print(f"  {sentence}", markup=False)
    for title, said in _facts(plan, working, cost):
        console.print(f"{title}: {said}.", markup=False)
    return working


def _facts(plan: Plan, working: AtWork | None, cost: str) -> list[tuple[str, str]]:
    told = [
        ("At work now", str(working) if working else ""),
        ("Down", plan.down),
        ("Kept", plan.kept),
        ("Costs", cost),
    ]
    return [(title, said) for title, said in told if said]


def _cost(plan: Plan) -> str:
    if not plan.before and not plan.after:
        return ""
    before, after = prices.total(plan.before), prices.total(plan.after)
    return f"{before} now, {after} afterwards (estimates for us-east-1)"


def confirm(plan: Plan, yes: bool) -> AtWork | None:
    """Shows the plan and asks, unless `yes` or nothing happens. Raises typer.Abort where the answer is no."""
    if yes:
        return show(plan, short=True)
    common.asking()
    working = show(plan)
    if plan.happens:
        typer.confirm("Do this?", abort=True)
    return working
