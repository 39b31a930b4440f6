"""`workbench rebuild`: a fresh server, with the same data and address; or the old one as it was."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer

from cli import (
    baking,
    begun,
    common,
    engine,
    grace,
    holdings,
    plan,
    planning,
    rebuilding,
    repair,
    snapshots,
    stack,
    swapping,
)
from cli.amis import Amis
from cli.common import StackOption, YesOption, console
from cli.described import Disk
from cli.disks import Disks
from cli.grace import GraceOption
from cli.machines import Machine, Machines
from cli.plan import Plan
from cli.server import show_status
from workbench import keys, packages, prices, servers
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench.settings import Settings

BUILT_DOWN = f"{plan.REPLACE_DOWN}, and for as long as the environments take to be built"
GOES_AGAIN = "the new server goes again, and the snapshot stays"


@dataclass(frozen=True)
class Consent:
    """What people on the server are given first, minutes or nothing by `force`; for how long they are cut off."""

    minutes: int
    force: bool
    down: str


def rebuild(
    stack: StackOption = None,
    minutes: GraceOption = 0,
    force: Annotated[bool, typer.Option("--force", help="also while people compute; that ends")] = False,
    yes: YesOption = False,
) -> None:
    """Replace the server by a fresh one; data and address stay. Not healthy, the old one is back.

    It is of the image that any new server would start from. A snapshot of the data is made first. Settings that have
    changed come with the new server.
    """
    grace.judge(minutes)
    name = common.enter(stack)
    common.require_stack_file(name)
    with swapping.alone(name, "rebuild"):
        swapping.refuse_runs(name)
        exported = repair.repaired(name).exported
        if stacks.outputs_in(exported) is None:
            raise WorkbenchError(f"Stack {name} has no server at present; `workbench up` makes one.")
        disks = Disks.of(name, exported)
        swapping.refuse_unfinished(disks)
        baking.settle(name, exported)
        facts = _rebuilt(name, exported, disks, minutes, force, yes)
    show_status(name, facts)


def _rebuilt(
    name: str, exported: repair.Exported, disks: Disks, minutes: int, force: bool, yes: bool
) -> Outputs:
    former, settings = Machines(disks).former(), stacks.settings(name)
    consent = Consent(minutes, force, _down(settings, disks))
    if former is not None:
        known = _taken_over(exported, disks, former, consent, yes)
        return _carried_out(name, disks, former, settings, known, consent)
    facts, server = _present(name, exported, disks)
    data = disks.data()
    if data is None or data.server != server.id:
        raise WorkbenchError(
            f"The server {server.id} does not have the data volume, which a new one would take over; `workbench "
            "doctor` says what is to be done about that. Nothing was changed."
        )
    for fault in keys.not_accepted(settings.admin_ssh_keys) if settings.configure else ():
        raise WorkbenchError(f"{fault} Nothing was changed.")  # no new server could be got into
    known = facts if server.state == "running" else None
    _require_idle(known, consent, " Nothing was changed.")
    with common.stage("Preview"):
        changes = _previewed(name, exported)
    wanted = _plan(server, known, data, changes, holdings.of(name, exported))
    plan.confirm(replace(wanted, down=_advised(consent.down) if known else ""), yes)
    snapshots.take(disks, exported, data, f"rebuild-{datetime.now(UTC):%Y-%m-%d-%H%M%S}")
    _require_idle(
        known, consent, " Nothing was changed but for the snapshot, which stays."
    )  # it may take long
    former = rebuilding.begin(disks, server.id)
    return _carried_out(name, disks, former, settings, known, consent)


def _taken_over(
    exported: repair.Exported, disks: Disks, former: Machine, consent: Consent, yes: bool
) -> Outputs | None:
    """A rebuild that died is this run's; the former server, where people may be at work on it still.

    They are asked for as at first, before anything is changed: whoever began it may have done so days ago.
    """
    rebuilding.refuse_at_work(disks, former)
    console.print(f"The rebuild that has begun goes on; {former.id} is the server from before.")
    reached = former.replaced_by or not rebuilding.is_untouched(disks, former)
    known = None if reached else stacks.outputs_in(exported)
    if known is not None:
        _require_idle(known, consent, f" {begun.unfinished(disks.stack, former)}")
        happens = ["Where the new server is not there yet, it is made.", *_replaces(former)]
        plan.confirm(Plan(happens, known, _advised(consent.down), f"{plan.KEPT}; the address as well"), yes)
    rebuilding.take_over(disks, former)
    return known


def _present(name: str, exported: repair.Exported, disks: Disks) -> tuple[Outputs, Machine]:
    """The server to replace. Raises WorkbenchError where there is none, or the state has another one."""
    facts, server = stacks.outputs_in(exported), Machines(disks).server()
    if facts is None or server is None:
        raise WorkbenchError(f"Stack {name} has no server at present; `workbench up` makes one.")
    if facts.instance_id != server.id:
        raise WorkbenchError(
            f"The state of stack {name} does not know the server {server.id}; `workbench up` first. Nothing was "
            "changed."
        )
    return facts, server


def _require_idle(facts: Outputs | None, consent: Consent, so_far: str) -> None:
    """Raises WorkbenchError where somebody computes on the server, whose computing may not be ended."""
    if facts is None or consent.force or consent.minutes:
        return
    plan.refuse_computing(
        facts, f"a rebuild ends that; give time with --grace MINUTES, or say --force.{so_far}"
    )


def _down(settings: Settings, disks: Disks) -> str:
    """For how long nobody can work: where no image has the team's environments, they are built meanwhile."""
    if not settings.environments or any(packages.ENVIRONMENTS in one.parts for one in Amis(disks).all()):
        return plan.REPLACE_DOWN
    return BUILT_DOWN


def _advised(down: str) -> str:
    advice = "which may be hours, since no image has them: `workbench bake` first, and they are there at once"
    return f"{down}, {advice}" if down == BUILT_DOWN else down


def _previewed(name: str, exported: repair.Exported) -> Plan:
    """What `up` would change anyway, and of which image a new server would be; see planning.previewed."""
    os.environ[servers.ANEW_VARIABLE] = "yes"
    try:
        return planning.previewed(name, exported)
    finally:
        del os.environ[servers.ANEW_VARIABLE]


def _plan(
    server: Machine, facts: Outputs | None, data: Disk, changes: Plan, found: Sequence[holdings.Holding]
) -> Plan:
    """What a rebuild does. `facts`: of a server that runs; `changes`: what `up` would change anyway."""
    of_image = [said for said in changes.happens if servers.STARTS_FROM in said]
    happens = [
        f"A snapshot of the data volume {data.id} ({data.gib} GiB) is made, and complete before anything else is done.",
        f"A new server is made beside {server.id} ({server.type}, of {server.image}), and boots.",
        *(of_image or [f"{servers.STARTS_FROM} Debian's newest image."]),
        *_replaces(server),
    ]
    started = f"The server {server.id}, which is {server.state}, is started."  # as `up` would do
    if told := " ".join(said for said in changes.happens if said not in (started, *of_image)):
        happens.append(f"The settings have changed since the last `up`, which comes with it: {told}")
    before = holdings.parts(found)
    return Plan(
        happens,
        server=facts,
        kept=f"{plan.KEPT}; the address as well",
        before=before,
        after=[*(changes.after or before), prices.snapshots(1, data.gib)],
    )


def _replaces(server: Machine) -> list[str]:
    """What happens once a new server is there beside this one."""
    return [
        f"Then {server.id} stops, and the new one gets its data volume and its address, and is configured.",
        f"Once all services of the new one are up, {server.id} is ended, and what is on its root disk alone (packages "
        "installed by hand, /tmp) goes with it; if they do not come up, it is put back as it was.",
    ]


def _carried_out(
    name: str, disks: Disks, former: Machine, settings: Settings, known: Outputs | None, consent: Consent
) -> Outputs:
    """All that changes something. `known`: the former server, where people may be at work on it."""
    began = time.monotonic()
    try:
        if former.replaced_by:  # a run that died found the new one healthy
            facts, down = stacks.outputs(name), 0.0
        else:
            facts, down = _brought_up(name, disks, former, settings, known, consent)
    except engine.RunInterruptedError as error:
        raise WorkbenchError(f"{error} {begun.unfinished(name, former)}") from None
    except KeyboardInterrupt:
        console.print(begun.unfinished(name, former), markup=False)
        raise
    except WorkbenchError as error:
        _put_back(name, disks, former, str(error))
    rebuilding.finish(disks, former)
    _tell(disks, former, time.monotonic() - began, down)
    return facts


def _brought_up(
    name: str, disks: Disks, former: Machine, settings: Settings, known: Outputs | None, consent: Consent
) -> tuple[Outputs, float]:
    """A new server that is healthy, and for how long there was none (seconds)."""
    rebuilding.make_beside(name, disks, former)
    _await_people(known, consent)
    began = time.monotonic()
    rebuilding.move(disks, former)
    with rebuilding.running(former):
        facts = stack.carried_out(name)
    rebuilding.require_well(name, facts, settings.configure)
    return facts, time.monotonic() - began


def _await_people(known: Outputs | None, consent: Consent) -> None:
    """Gives people their time, right before the server stops: nothing that takes long is left to do on it.

    Raises WorkbenchError where somebody computes by now, or it is called off.
    """
    what = f"is replaced by a fresh one, and stopped for {consent.down},"
    try:
        grace.wait(known, consent.minutes, what, called_off=GOES_AGAIN)
    except KeyboardInterrupt:
        raise WorkbenchError("The rebuild was called off.") from None
    grace.over(known, consent.minutes)  # now: stopped, it could not be asked to
    _require_idle(known, consent, "")  # to make the new one took minutes


def _put_back(name: str, disks: Disks, former: Machine, why: str) -> NoReturn:
    """Raises WorkbenchError, which says why and how it is now."""
    try:
        untouched = rebuilding.is_untouched(disks, former)
        with common.stage(f"Put the server {former.id} back"):
            rebuilding.go_back(name, disks, former)
    except WorkbenchError as failure:
        raise WorkbenchError(
            f"{why}\nThe server from before, {former.id}, could not be put back yet: {failure} Nothing is lost; "
            "`workbench up` tries again."
        ) from None
    now = "runs on as it was" if untouched else "is back and runs, with data and address"
    if untouched and stacks.settings(name).size != former.type:  # to carry that out would stop it
        raise WorkbenchError(
            f"{why}\nThe server {former.id} {now}; nothing is lost. The next `workbench up` gives it the size that the "
            "settings say by now."
        )
    try:
        stack.make(name, True, {})
    except WorkbenchError as failure:
        raise WorkbenchError(
            f"{why}\nThe server {former.id} {now}; but the settings could not be carried out there either: {failure}"
        ) from None
    raise WorkbenchError(f"{why}\nThe server {former.id} {now}; nothing is lost.")


def _tell(disks: Disks, former: Machine, seconds: float, down: float) -> None:
    machines = Machines(disks)
    new = machines.server()
    assert new is not None, "it is healthy"
    before, after = machines.image_name(former.image), machines.image_name(new.image)
    told = f"of {after}, as the one before" if before == after else f"of {after}, not {before}"
    without = f", {down:.0f} s of them without a server" if down else ""
    console.print(f"The server is {new.id} now, {told}. It took {seconds:.0f} s{without}.", markup=False)
