"""`workbench restore`: the data volume as a snapshot has it; or one home out of it; or the proof that it is whole."""

from dataclasses import dataclass
from datetime import UTC
from shlex import join
from time import monotonic
from typing import Annotated

import typer

from cli import common, copies, grace, holdings, plan, rebuilding, repair, stack, swapping
from cli.common import StackOption, WhoseOption, YesOption, console
from cli.described import Disk, Server, Snapshot
from cli.disks import Disks, named
from cli.grace import GraceOption
from cli.holdings import Holding
from cli.plan import Plan
from workbench import checks, prices
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench.settings import Settings
from workbench_host.volume.content import LABEL


def restore(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="the snapshot's name or id: `workbench snapshots`")
    ] = None,
    path: Annotated[
        str | None,
        typer.Argument(metavar="[PATH]", help="with --home: a file or folder in it, not all of it"),
    ] = None,
    stack: StackOption = None,
    home: Annotated[
        str | None,
        typer.Option("--home", metavar="USER", help="bring only this home, beside the living one"),
    ] = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="prove the snapshot (else the newest) on a throw-away volume")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="also while people compute, or may; that ends")
    ] = False,
    adopt: WhoseOption = None,
    minutes: GraceOption = 0,
    yes: YesOption = False,
) -> None:
    """Put the data volume back to what a snapshot has; the one that was there until now is kept.

    With --home nothing is put back: the home as it was is laid into the living one, as restored-DATE. With --drill
    nothing is changed at all: the snapshot is mounted, checked and counted, and goes again.
    """
    grace.judge(minutes)
    _judge_what(name, path, home, drill, minutes)
    stack = common.enter(stack)
    common.adopt(adopt)
    with swapping.alone(stack, "restore"):
        exported, disks, chosen = _present(stack, name)
        if drill:
            _drill(stacks.outputs_in(exported), disks, chosen)
        elif home is not None:
            _bring(stacks.outputs_in(exported), disks, chosen, home, path or "")
        else:
            _restore(stack, exported, disks, chosen, Consent(force, minutes, yes))


def _present(stack: str, name: str | None) -> tuple[repair.Exported, Disks, Snapshot]:
    """The state with nothing in it of a run that died, its disks, and the snapshot of that name.

    Raises WorkbenchError where another run is at it.
    """
    swapping.refuse_runs(stack)
    exported = repair.repaired(stack).exported
    disks = Disks.of(stack, exported)
    rebuilding.refuse_unfinished(disks)
    return exported, disks, _chosen(disks, name)


def _judge_what(name: str | None, path: str | None, home: str | None, drill: bool, minutes: int) -> None:
    """Raises WorkbenchError where what is asked for does not go together."""
    if path is not None and home is None:
        raise WorkbenchError(f"{path} goes with --home USER: a path is looked for in one home.")
    if home is not None:
        _judge_user(home)
    if drill and home is not None:
        raise WorkbenchError("--drill and --home are two things; do one after the other.")
    if minutes and (drill or home is not None):
        raise WorkbenchError("--grace goes with a restore of all; with --home and --drill nobody is cut off.")
    if name is None and not drill:
        raise WorkbenchError(
            "Say which snapshot: `workbench restore NAME`; `workbench snapshots` lists them."
        )


def _judge_user(home: str) -> None:
    """Raises WorkbenchError for what is no name: as a path it would lead to everybody's homes, or to all there is."""
    try:
        checks.user_name(home)
    except ValueError as error:
        raise WorkbenchError(f"--home {home!r} {error}; nothing was changed.") from None


def _chosen(disks: Disks, name: str | None) -> Snapshot:
    """The snapshot of that name, else the newest that is complete. Raises WorkbenchError where none will do."""
    found = disks.snapshots()
    if name is None:
        usable = [one for one in found if one.usable]
        if not usable:
            raise WorkbenchError(
                f"Stack {disks.stack} has no snapshot that is complete; `workbench snapshot` makes one."
            )
        return usable[-1]
    one = named(found, name, disks)
    if one.state == "error":
        raise WorkbenchError(
            f"AWS could not make the snapshot {one} ({one.why or 'it does not say why'}); choose another."
        )
    if not one.usable:
        raise WorkbenchError(
            f"The snapshot {one} is not complete yet ({one.progress or one.state}); wait for it."
        )
    return one


# All of the volume.


@dataclass(frozen=True)
class Consent:
    """What is asked of people first: whether nothing of those who compute, their minutes, whether not of who calls."""

    force: bool
    minutes: int
    yes: bool


def _restore(
    name: str, exported: repair.Exported, disks: Disks, snapshot: Snapshot, consent: Consent
) -> None:
    common.require_stack_file(name)
    settings, facts = stacks.settings(name), stacks.outputs_in(exported)
    server, old = disks.server(), disks.data()
    if server is not None and repair.stack_id(exported) is None:  # who is at work there could not be asked
        raise WorkbenchError(
            f"The server {server.id} is there, and the state of stack {name} does not know it; take it back first: "
            f"`workbench up --adopt {disks.stack_id}`. Nothing was changed."
        )
    _judge(settings, snapshot, server)
    running = facts if server is not None and server.state == "running" else None
    _refuse_computing(running, consent)
    paid = holdings.of(name, exported, disks.stack_id)
    plan.confirm(_plan(settings, snapshot, running, old, paid), consent.yes)
    what = f"is stopped for some minutes, and all files are put back to those of {_taken(snapshot)},"
    grace.wait(running, consent.minutes, what, "Copy what you have made since then to your own computer.")
    try:
        if consent.minutes:
            swapping.refuse_runs(name)
            _refuse_computing(running, consent)  # who began meanwhile counts too
        new = swapping.make_incoming(disks, snapshot, settings.zone, settings.data_volume_gib)
    finally:
        grace.over(running, consent.minutes)  # now: stopped, it could not be asked to
    swapping.replace(name, disks, new, exported)
    if server is not None:
        stack.make(name, True, {})
        console.print(f"The workbench is back as the snapshot {snapshot.name} has it.")
    else:
        console.print(
            f"The data volume {new.id} is as the snapshot {snapshot.name} has it; `workbench up` makes a server for it."
        )
    if old is not None and old.id != new.id:
        console.print(
            f"Kept: the volume {old.id}, with all from before (about {old.usd_per_month:.2f} USD a month); "
            f"`workbench delete-snapshot {old.id}` removes it once nobody needs it."
        )


def _refuse_computing(running: Outputs | None, consent: Consent) -> None:
    """Raises WorkbenchError where somebody computes on the server, if there is one that runs, or it does not say."""
    if running is None or consent.force:
        return
    otherwise = (
        "a restore ends that and takes what was made since the snapshot out of sight; ask them to end it (`workbench "
        "notice`), or say --force. Nothing was changed."
    )
    unknown = "if what people may have running there can end, say --force."
    plan.refuse_computing(running, otherwise, unknown)


def _taken(snapshot: Snapshot) -> str:
    return f"{snapshot.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _judge(settings: Settings, snapshot: Snapshot, server: Server | None) -> None:
    """Raises WorkbenchError where the snapshot does not fit the settings, or those the server."""
    if snapshot.gib > settings.data_volume_gib:
        raise WorkbenchError(
            f"The snapshot {snapshot.name} has {snapshot.gib} GiB, but workbench:dataVolumeGib is "
            f"{settings.data_volume_gib}; set workbench:dataVolumeGib to at least {snapshot.gib}, then try again."
        )
    if server is not None and server.zone != settings.zone:
        raise WorkbenchError(
            f"workbench:zone is {settings.zone!r}, but the server {server.id} is in {server.zone}, and a volume serves "
            f"its own zone only; `workbench destroy` first, or set workbench:zone to {server.zone}."
        )


def _plan(
    settings: Settings, snapshot: Snapshot, facts: Outputs | None, old: Disk | None, found: list[Holding]
) -> Plan:
    """What a restore does. `facts`: of a server that runs, None where there is none."""
    happens = [
        f"A new data volume is made of the snapshot {snapshot}, taken {_taken(snapshot)}: "
        f"{settings.data_volume_gib} GiB in {settings.zone}. What was made since is not on it."
    ]
    if facts is not None:
        happens.append("The server stops, gets it in the place of the present one, and is configured anew.")
    kept = f"the present volume {old.id} ({old.gib} GiB), with all that is on it" if old else ""
    new = [prices.disk("restored volume", settings.data_volume_gib)]
    before = holdings.parts(found)
    return Plan(happens, facts, "some minutes" if facts else "", kept, before, [*before, *new])


# One home, and the drill.


def _server_of(facts: Outputs | None, disks: Disks, what: str) -> tuple[Outputs, Server]:
    """The server, which has to run. Raises WorkbenchError."""
    server = disks.server()
    if facts is None or server is None or server.state != "running":
        state = "has no server" if server is None else f"has a server that is {server.state}"
        raise WorkbenchError(
            f"{what} needs a server that runs, and stack {disks.stack} {state}; `workbench up` first."
        )
    return facts, server


def _bring(facts: Outputs | None, disks: Disks, snapshot: Snapshot, user: str, path: str) -> None:
    facts, server = _server_of(facts, disks, "A home is brought out of a snapshot by the server: it")
    wanted = f"restored-{snapshot.started.astimezone(UTC):%Y-%m-%d-%H%M}"
    # as the host sees it: /home/ada/x and x are one
    inner = path.removeprefix(f"/home/{user}/")
    if inner.startswith("/") or ".." in inner.split("/"):
        raise WorkbenchError(
            f"PATH is {path!r}; it is looked for below /home/{user}, and may not lead out of that."
        )
    title = f"Copy {inner or 'the home'} of {user}"
    with copies.attached(facts, disks, server, snapshot) as copy, common.stage(title):
        where = copies.bring(facts, copy, join([user, wanted, *([inner] if inner else [])]))
    console.print(f"{user} finds it in {where}", markup=False)


def _drill(facts: Outputs | None, disks: Disks, snapshot: Snapshot) -> None:
    facts, server = _server_of(facts, disks, "The drill")
    began = monotonic()
    with copies.attached(facts, disks, server, snapshot) as copy, common.stage("Check it"):
        found = copies.look(facts, copy)
    faults = [
        f"its filesystem is labelled {copy.label!r} and not {LABEL!r}" if copy.label != LABEL else "",
        f"its filesystem is not whole: {found['wrong']}" if found["wrong"] else "",
        "it has no registry of accounts" if found["accounts"] is None else "",
        f"the hub's database is not whole: {found['hub']}" if found["hub"] not in ("ok", "none") else "",
    ]
    if told := "; ".join(fault for fault in faults if fault):
        raise WorkbenchError(f"The snapshot {snapshot} cannot be relied on: {told}")
    journal = "its journal replayed" if copy.replayed else "its journal empty"
    console.print(
        f"The snapshot {snapshot} is whole: filesystem checked, {journal}, {found['homes']} homes, {found['accounts']} "
        f"accounts, {found['used_gib']} GiB used; proved in {monotonic() - began:.0f} s and removed again.",
        markup=False,
    )
