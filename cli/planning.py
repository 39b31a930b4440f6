"""From what the engine would do, and what AWS has, to the plan that people are shown (cli/plan.py)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cli import address, baking, cloud, engine, holdings, plan, words
from cli.cloud import Instance
from cli.plan import Plan
from cli.progress import Progress
from cli.words import ADDRESS, RECORD, SERVER, VOLUME, ZONE, Change
from workbench import prices
from workbench import stack as stacks
from workbench.prices import Part
from workbench.volumes import KEPT

Exported = Mapping[str, Any]
_STAY = {holdings.SNAPSHOTS, holdings.IMAGES, KEPT}  # at a destroy, beside the data volume
LONG_TTL = 300  # seconds; ours is 60


def previewed(name: str, exported: Exported) -> Plan:
    """What the program would do, as it and the engine say. Raises WorkbenchError where it would be refused."""
    return of_steps(name, exported, engine.run(name, "preview", silent=True))


def of_up(name: str, exported: Exported) -> Plan:
    """All that `workbench up` would do, which may bake an image in the end; see previewed."""
    plan = previewed(name, exported)
    return replace(plan, happens=[*plan.happens, *baking.announced(name)])


def of_steps(name: str, exported: Exported, progress: Progress) -> Plan:
    """The plan in a preview's steps."""
    known = stacks.outputs_in(exported)
    retained = {one["urn"] for one in stacks.resources_in(exported) if one.get("retainOnDelete")}
    changes = words.changes(progress.steps, retained)
    told = words.sentences(changes)
    server = cloud.instance(known) if known else None
    happens = [f"Warning: {warning}" for warning in progress.warnings] + told.said + progress.told
    if server and server.state in {"stopping", "stopped"} and not told.stops:
        happens.append(f"The server {server.id}, which is {server.state}, is started.")
    happens += [said for volume in told.grows if (said := _growth(name, volume))]
    happens += [said for said in [address.change_of_keeping(name, exported)] if said]
    found = holdings.of(name, exported) if changes else []
    before, after = holdings.parts(found), _after(found, changes)
    same = prices.total(before) == prices.total(after)
    return Plan(
        happens,
        server=known if told.stops and _runs(server) else None,
        down="" if not told.stops else plan.REPLACE_DOWN if told.replaces else plan.RESIZE_DOWN,
        kept=plan.KEPT if told.stops else "",
        before=() if same else before,
        after=() if same else after,
    )


def of_destroy(name: str, exported: Exported, keeps_address: bool, to_snapshot: bool = False) -> Plan:
    """The plan of giving everything back but the data, of which `to_snapshot` leaves a last snapshot alone."""
    known, found = stacks.outputs_in(exported), holdings.of(name, exported)
    server = cloud.instance(known) if known else None
    happens = []
    if server:
        happens.append(f"The server {server.id} ({server.type}) is ended, and its root disk goes with it.")
    for one in found:
        if one.role == holdings.FORMER:
            happens.append(f"The {one.part.name}, {one.id}, is ended too.")
    for one in [one for one in found if one.role == holdings.FORMER and not (server and server.id == one.id)]:
        happens.append(f"The {one.part.name}, {one.id}, is ended as well.")
    addresses = [one.part.detail for one in found if one.role == holdings.ADDRESS]
    for ip in [] if keeps_address else addresses:
        happens.append(f"The address {ip} is given back; with the next server comes another.")
    happens += _names(exported)
    happens += words.ends(stacks.resources_in(exported))
    happens.append("Network, firewall, key and role are removed, as far as they are there.")
    volumes = [one for one in found if one.role == holdings.DATA]
    for volume in volumes if to_snapshot else []:
        happens.append(
            f"The data volume {volume.id} becomes a last snapshot, and is deleted once that is complete; `workbench "
            "restore` makes a volume of it again."
        )
    kept = [f"{one.part.name} {one.id}" for one in volumes if not to_snapshot]
    kept += [f"{one.part.name} {one.id}" for one in found if one.role in _STAY]
    kept += ["a last snapshot of the data"] if to_snapshot and volumes else []
    kept += [f"the address {ip}" for ip in addresses if keeps_address]
    kept += [f"the zone {one.part.detail}" for one in found if one.role == holdings.ZONE]
    return Plan(
        happens,
        server=known if _runs(server) else None,
        down="until `workbench up`, which takes some minutes" if server else "",
        kept=", ".join(kept),
        before=holdings.parts(found),
        after=holdings.destroyed(found, keeps_address, to_snapshot),
    )


def _runs(server: Instance | None) -> bool:
    return server is not None and server.state == "running"


def _names(exported: Exported) -> Iterable[str]:
    """What becomes of the domain: resolvers keep what they were told for the record's TTL."""
    for resource in stacks.resources_in(exported):
        record = resource.get("outputs") or {}
        if resource["type"] == RECORD and record.get("type") == "A":
            ttl = float(record.get("ttl") or 0)
            long = (
                f", which is long: set it to 60 in Route 53 and wait {ttl:g} s first"
                if ttl > LONG_TTL
                else ""
            )
            yield (
                f"The name {record.get('name')} leads nowhere until the next `workbench up`; what others remember of "
                f"it they forget within {ttl:g} s{long}."
            )


def _growth(name: str, volume: str) -> str:
    """Whether AWS takes another change of the volume yet; "" where it does."""
    when = cloud.next_change(name, volume)
    if when is None or when <= datetime.now(UTC):
        return ""
    return (
        f"But AWS takes the next change of {volume} {cloud.CHANGE_HOURS} hours after the last one, so not before "
        f"{when:%Y-%m-%d %H:%M} UTC: until then `up` fails at it, and the volume stays as it is."
    )


def _after(found: Sequence[holdings.Holding], changes: Iterable[Change]) -> list[Part]:
    """What is paid for once the changes are made."""
    parts = {(one.role, "" if one.role in _ONE_EACH else one.id): one.part for one in found}
    for change in changes:
        gone = change.how == "gone"
        if change.step.kind == SERVER and (gone or change.step.new):
            disk = (change.step.new.get("rootBlockDevice") or {}).get("volumeSize")
            _put(parts, holdings.SERVER, None if gone else prices.server(change.step.new["instanceType"]))
            if gone or disk:
                _put(parts, holdings.ROOT, None if gone else prices.disk("root disk", int(disk or 0)))
        elif change.step.kind == VOLUME and change.step.new.get("size"):
            _put(parts, holdings.DATA, prices.disk("data volume", int(change.step.new["size"])))
        elif change.step.kind == ADDRESS and change.how in {"made", "gone"}:
            _put(parts, holdings.ADDRESS, None if gone else prices.address("new"))
        elif change.step.kind == ZONE and change.how == "made":
            _put(parts, holdings.ZONE, prices.zone(str(change.step.new.get("name"))))
    return list(parts.values())


_ONE_EACH = {holdings.SERVER, holdings.ROOT, holdings.DATA, holdings.ADDRESS, holdings.ZONE}


def _put(parts: dict[tuple[str, str], Part], role: str, part: Part | None) -> None:
    if part is None:
        parts.pop((role, ""), None)
    else:
        parts[role, ""] = part
