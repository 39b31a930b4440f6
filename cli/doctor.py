"""`workbench doctor`: what is to be put right of a stack, its server and its pages; shown with the command that does.

Three places are looked at: the stack and AWS (what a run that died, or a lost state, has left), the server from inside
(its own report, asked once over SSH), and the server from here, as anybody sees it.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import (
    account,
    begun,
    cloud,
    common,
    findings,
    headers,
    holdings,
    locks,
    outside,
    remote,
    repair,
)
from cli.amis import Amis
from cli.common import JsonOption, StackOption, YesOption, console
from cli.disks import Disks
from cli.findings import Finding
from cli.progress import interrupted
from workbench import servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs

PROGRAM = program_path("doctor")
_PROGRAM_SECONDS = 60
_UNWELL = 3  # exit status, as of `workbench status`


@dataclass(frozen=True)
class Stack:
    """What Pulumi and AWS say of a stack. `held` is None where the backend does not tell of locks."""

    name: str
    held: list[locks.Holder] | None
    unfinished: list[str]
    left: list[account.Found]

    @property
    def is_well(self) -> bool:
        return not (self.held or self.unfinished or any(one.role != volumes.KEPT for one in self.left))


def doctor(
    stack: StackOption = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="ID", help="remove this from AWS; may be repeated")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is to be put right, with the command for it: the stack, AWS, the server, its pages; status 3 if any.

    Of the stack: what `up` would repair, and what is in AWS that no state knows. Of the server: ports and certificate
    and headers as they look from here; listeners, security fixes, failed logins, disk, memory and units from inside.
    """
    name = common.enter(stack)
    with Console(stderr=True).status(f"Looking at stack {name} ..."):  # on a terminal only
        exported = repair.export(name)
        held = locks.of(name)
        living = [holder for holder in held or () if not holder.is_dead()]
        # else it is at it now
        unfinished = [] if living else [*_unfinished(exported), *begun.told(name, exported)]
        with ThreadPoolExecutor(1) as pool:
            left = pool.submit(repair.left_over, name, exported)
            found = [] if remove else list(_found(name, exported))
            seen = Stack(name, held, unfinished, left.result())
    if remove:
        if living:
            raise WorkbenchError(
                f"{_locked(name, living[0])} What it is at may be among it; nothing was removed."
            )
        _remove(name, seen.left, remove, yes)
        return
    if as_json:
        typer.echo(json.dumps(_report(seen, found), indent=2))
    else:
        _tell(seen, found)
    if not seen.is_well or any(not one.note for one in found):
        raise typer.Exit(_UNWELL)


def _found(name: str, exported: Mapping[str, Any]) -> Iterator[Finding]:
    """At the server, and of what is paid for beside it."""
    yield from examine(stacks.outputs_in(exported))
    yield from _kept(name, exported)
    yield from _images(name, exported)


def examine(facts: Outputs | None) -> list[Finding]:
    """What is found at the server, from inside and from here; nothing where there is none."""
    server = cloud.instance(facts) if facts else None  # an old address may be somebody else's by now
    if facts is None or server is None:
        return []
    if server.state != "running":
        what = f"The server {server.id} is {server.state}, so that nobody can work."
        return [Finding("server", what, "workbench start")]
    with ThreadPoolExecutor(1) as pool:
        usual = pool.submit(outside.answering, facts.address, {*findings.OPEN, *outside.USUAL})
        told = _told(facts)
        inside = [told] if isinstance(told, Finding) else list(findings.of_host(told))
        inside = [_missing(one, facts) if one.about == findings.VOLUME else one for one in inside]
        host = {} if isinstance(told, Finding) else told
        asked = findings.ports_beyond_loopback(host) - findings.OPEN - set(outside.USUAL)
        ports = usual.result() | outside.answering(facts.address, asked)
    return [*inside, *outside.of_ports(ports), *_shown(facts, host, ports)]


def _kept(name: str, exported: Mapping[str, Any]) -> Iterator[Finding]:
    """What is paid for while there is no server."""
    found = holdings.of(name, exported)
    if found and holdings.type_of_server(found) is None:
        listed = "; ".join(str(one.part) for one in found)
        yield Finding("kept", f"There is no server; what is kept costs {listed}.", note=True)


def _images(name: str, exported: Mapping[str, Any]) -> Iterator[Finding]:
    """The stack's images, which no state knows, also where the state has forgotten the stack."""
    try:
        amis = Amis(Disks.of(name, exported, guess=True))
    except WorkbenchError:
        return  # AWS has nothing of a stack of that name, or of several: `workbench images` says which
    if images := amis.all():
        what = (
            f"{', '.join(map(str, images))}: new servers start from there. What is not deleted stays after a destroy "
            f"too; at present it costs at most {amis.usd_per_month(images):.2f} USD a month."
        )
        yield Finding("images", what, "workbench images", note=True)


def _missing(one: Finding, facts: Outputs) -> Finding:
    """What is to be done about a data volume that is not mounted: AWS knows where it is."""
    where, volume = cloud.attached_to(facts), facts.volume_id
    if where is None:
        told, command = f"AWS has no {volume} any more.", "workbench snapshots"
    elif where == facts.instance_id:
        told = f"{volume} is attached; why it is not mounted, the server's journal says."
        command = f"{findings.ON_HOST}sudo journalctl -b -u srv-workbench.mount -u 'systemd-fsck@*'"
    else:
        told = (
            f"{volume} is attached to {where}, which is to let go of it first."
            if where
            else f"{volume} is attached to no server."
        )
        command = (
            f"aws ec2 attach-volume --volume-id {volume} --instance-id {facts.instance_id} "
            f"--device {volumes.DEVICE}"
        )
    return Finding(one.about, f"{one.what} {told}", command)


def _told(facts: Outputs) -> Mapping[str, Any] | Finding:
    """The host's own report, or why there is none."""
    try:
        return remote.report_of(facts, PROGRAM, _PROGRAM_SECONDS, "how it is")
    except WorkbenchError as error:
        reason = common.plain(error)
    if any(words in reason for words in ("command not found", "has no such program yet")):
        return Finding(
            "server", "The server has not been configured by this version yet.", "workbench deploy", note=True
        )
    what = f"{reason} AWS says that it runs; if nothing gets in, start it again from there."
    return Finding("server", what, f"aws ec2 reboot-instances --instance-ids {facts.instance_id}")


def _shown(facts: Outputs, host: Mapping[str, Any], ports: set[int]) -> Iterator[Finding]:
    """What is found of certificate and pages, where they can be had from here."""
    if findings.HTTPS not in ports:
        return
    paths = [one["path"] for one in host.get("services", {}).get("of", {}).values() if one["path"]]
    wanted = host.get("certificate", {"server": None})
    try:
        shown = outside.certificate(facts.address, facts.host_name, host.get("ca"))
        yield from outside.of_certificate(shown, facts.host_name, wanted["server"])
        pages = headers.pages(facts.address, facts.host_name, ["/", *paths])
        yield from headers.of_pages(pages, trusted=shown.refused is None)
    except (OSError, HTTPException, ValueError) as error:
        what = f"{facts.url} could not be looked at: {common.plain(error)}."
        yield Finding("pages", what, "workbench status")


def _tell(seen: Stack, found: list[Finding]) -> None:
    if seen.held is None:
        console.print("Whether the stack is locked cannot be told for a backend of this kind.")
    for line in [*(_locked(seen.name, holder) for holder in seen.held or ()), *seen.unfinished]:
        console.print(line, markup=False)
    if seen.left:
        repair.tell_left_over(seen.left)
    ailing = [one for one in found if not one.note]
    for one in [*(one for one in found if one.note), *ailing]:
        console.print(f"{'note: ' if one.note else ''}{one.about}: {one.what}", markup=False)
        if one.command:
            console.print(f"    {one.command}", markup=False)
    if seen.is_well:
        lock = "" if seen.held is None else "no lock, "
        console.print(
            f"Stack {seen.name} is well: {lock}nothing unfinished, nothing in AWS that its state does not know."
        )
    if ailing:
        console.print(f"At the server {len(ailing)} thing{'s' if len(ailing) > 1 else ''} to put right.")
    elif found:
        console.print("At the server nothing was found to put right.")


def _report(seen: Stack, found: list[Finding]) -> dict[str, Any]:
    """{stack, locks (null where the backend does not tell), unfinished, left_over, findings, notes}."""
    told = [
        {**asdict(holder), "since": holder.since.isoformat(), "dead": holder.is_dead()}
        for holder in seen.held or ()
    ]
    listed = [
        ({"about": one.about, "what": one.what, "command": one.command or None}, one.note) for one in found
    ]
    return {
        "stack": seen.name,
        "locks": None if seen.held is None else told,
        "unfinished": seen.unfinished,
        "left_over": [asdict(one.what) for one in seen.left],
        "findings": [one for one, note in listed if not note],
        "notes": [one for one, note in listed if note],
    }


def _locked(name: str, holder: locks.Holder) -> str:
    if holder.is_dead():
        return f"The lock of a run that died ({holder}): the next `workbench up` removes it."
    return f"Locked by another run ({holder}); if you know that it is dead: `pulumi cancel --stack {name}`."


def _unfinished(exported: repair.Exported) -> list[str]:
    return [
        f"A run died while {interrupted(operation)}: the next `workbench up` or `destroy` finds out how that ended."
        for operation in repair.pending(exported)
    ]


def _remove(name: str, left: list[account.Found], ids: list[str], yes: bool) -> None:
    by_id = {one.what.id: one for one in left}
    if strange := [one for one in ids if one not in by_id]:
        raise WorkbenchError(
            f"{', '.join(strange)} is not among what AWS has of stack {name} beside its state "
            f"({', '.join(by_id) or 'there is nothing'}); nothing was removed."
        )
    if kept := [id_ for id_ in ids if by_id[id_].role == servers.FORMER]:
        raise WorkbenchError(
            f"{kept[0]} is the server from before a rebuild that has not ended, and may be what comes back: `workbench "
            "rebuild` goes on with it, `workbench up` goes on or back. Nothing was removed."
        )
    if not yes:
        common.asking()
    for one in (by_id[id_] for id_ in ids):
        console.print(f"{one.what}, of the stack with the id {one.what.stack_id}", markup=False)
    if not yes:
        typer.confirm("Remove this from AWS, for good?", abort=True)
    for gone in account.remove(name, [by_id[id_] for id_ in ids]):
        console.print(f"{gone.what} removed", markup=False)
