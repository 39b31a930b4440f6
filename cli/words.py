"""What the engine would do, in people's words: a sentence for each thing that they know, one for all the rest.

The steps are those of a preview (cli/progress.py). Nothing is said of what stays as it is.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cli.progress import Step
from workbench import instance_types

SERVER, VOLUME, ADDRESS = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume", "aws:ec2/eip:Eip"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
RECORD, ZONE = "aws:route53/record:Record", "aws:route53/zone:Zone"
CONFIGURATION = "pulumi-python:dynamic:Configuration"

_MADE, _GONE, _ANEW, _TAKEN, _CHANGED = "made", "gone", "anew", "taken", "changed"
_BECOMES = {
    "create": _MADE,
    "update": _CHANGED,
    "delete": _GONE,
    "discard": _GONE,
    "import": _TAKEN,
    "replace": _ANEW,
    "create-replacement": _ANEW,
    "delete-replaced": _ANEW,
    "import-replacement": _ANEW,
}
_PROVIDERS = "pulumi:providers:"
# What the rest is called, and what becomes of it; the things themselves are known to who knows AWS.
_REST = {
    "aws:ec2/vpc:Vpc": "network",
    "aws:ec2/subnet:Subnet": "network",
    "aws:ec2/internetGateway:InternetGateway": "network",
    "aws:ec2/routeTable:RouteTable": "network",
    "aws:ec2/route:Route": "network",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "network",
    "aws:ec2/securityGroup:SecurityGroup": "firewall",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "firewall",
    "aws:ec2/keyPair:KeyPair": "key",
    "aws:iam/role:Role": "role",
    "aws:iam/rolePolicy:RolePolicy": "role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "role",
    "aws:iam/instanceProfile:InstanceProfile": "role",
    "aws:scheduler/scheduleGroup:ScheduleGroup": "schedule",
    "aws:ec2/eipAssociation:EipAssociation": "the address's place at the server",
    "aws:ec2/volumeAttachment:VolumeAttachment": "the data volume's place at the server",
}
# What AWS does by itself (docs/schedule.md), by what becomes of it; a schedule's name is what it does: start, stop.
_BY_ITSELF = {
    "aws:scheduler/schedule:Schedule": {
        _MADE: "AWS {name}s the server by itself, at the times of workbench:schedule.",
        _GONE: "AWS does not {name} the server by itself any more.",
        _CHANGED: "AWS {name}s the server by itself at another time.",
    },
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": {
        _MADE: "AWS makes a snapshot of the data volume each day.",
        _GONE: "No daily snapshots are made any more; those that are there stay, until somebody deletes them.",
        _CHANGED: "Of the daily snapshots changes when they are made, or how many are kept.",
    },
    "aws:budgets/budget:Budget": {
        _MADE: "AWS sends mails before a month costs more than workbench:budget says.",
        _GONE: "AWS watches no budget any more.",
        _CHANGED: "Of the budget changes how much it is, or who is told.",
    },
}
_VERBS = {
    _MADE: "Made",
    _GONE: "Removed",
    _ANEW: "Made anew",
    _TAKEN: "Taken back as it is in AWS",
    _CHANGED: "Changed in place",
}


@dataclass(frozen=True)
class Change:
    """What becomes of one resource: `how` is one of made, gone, anew, taken, changed; `step`: all its steps as one."""

    how: str
    step: Step


@dataclass
class Sentences:
    """What happens. `stops`: whether people are cut off; `size`: the server's new type, where that changes."""

    said: list[str] = field(default_factory=list)
    stops: bool = False
    replaces: bool = False
    size: str | None = None
    grows: list[str] = field(default_factory=list)
    """The ids of volumes that are to grow."""


def changes(steps: Iterable[Step], retained: Collection[str] = ()) -> list[Change]:
    """The steps by resource, a replacement as one; `retained` are the URNs that AWS keeps though the state lets go."""
    by_urn: dict[str, list[Step]] = {}
    for step in steps:
        if step.op in _BECOMES and not step.kind.startswith(_PROVIDERS):
            by_urn.setdefault(step.urn, []).append(step)
    return [_change(group, urn in retained) for urn, group in by_urn.items()]


def _change(group: Sequence[Step], kept: bool) -> Change:
    hows = {_BECOMES[step.op] for step in group}
    how = _ANEW if _ANEW in hows or len(hows) > 1 else hows.pop()
    first, last = group[0], group[-1]
    whole = replace(
        first,
        id=next((step.id for step in group if step.id), ""),
        old=next((step.old for step in group if step.old), first.old),
        new=next((step.new for step in group if step.new), last.new),
        changed=tuple(dict.fromkeys(key for step in group for key in step.changed)),
        kept=kept or any(step.kept for step in group),
    )
    return Change(how, whole)


def sentences(found: Sequence[Change]) -> Sentences:
    """What happens, what matters most first."""
    told = Sentences()
    for kind, tell in _TELLERS.items():
        mine = [change for change in found if change.step.kind == kind]
        if mine:
            tell(mine, told)
    rest = [change for change in found if change.step.kind not in _TELLERS]
    for how, verb in _VERBS.items():
        if names := [_rest_of(change) for change in rest if change.how == how]:
            listed = ", ".join(dict.fromkeys(names))
            told.said.append(f"{verb}: {listed} ({len(names)} resource{'s' if len(names) > 1 else ''}).")
    return told


def _rest_of(change: Change) -> str:
    return _REST.get(change.step.kind, f"{change.step.kind.rpartition(':')[2]} {change.step.name}")


def described(size: str) -> str:
    """`m6i.large (2 CPUs, 8 GiB of memory)`, as far as the type is among the common ones."""
    known = instance_types.find(size)
    if known is None:
        return size
    return f"{size} ({known.vcpus} CPUs, {known.memory_mib / 1024:g} GiB of memory)"


def _server(found: Sequence[Change], told: Sentences) -> None:
    for change in found:
        old, new = change.step.old.get("instanceType", "?"), change.step.new.get("instanceType", "?")
        disk = (change.step.new.get("rootBlockDevice") or {}).get("volumeSize", "?")
        if change.how == _MADE:
            told.said.append(f"A server is made: {described(new)}, with a root disk of {_number(disk)} GiB.")
        elif change.how == _TAKEN:
            told.said.append(f"The server that is in AWS already ({new}) is taken back as it is.")
        elif change.how == _GONE:
            told.stops = told.replaces = True
            told.said.append(f"The server {change.step.id} ({old}) is ended, and its root disk goes with it.")
        elif change.how == _ANEW:
            told.stops = told.replaces = True
            told.size = new
            told.said.append(
                f"The server {change.step.id} ({old}) is ended, its root disk with it, and another is made: "
                f"{described(new)}."
            )
        else:
            _changed_server(change, told)


def _changed_server(change: Change, told: Sentences) -> None:
    old, new = change.step.old.get("instanceType", "?"), change.step.new.get("instanceType", "?")
    if "instanceType" in change.step.changed:
        told.stops, told.size = True, new
        told.said.append(
            f"The server is stopped, becomes {described(new)} instead of {old}, and is started again."
        )
    disks = [
        _number((side.get("rootBlockDevice") or {}).get("volumeSize"))
        for side in (change.step.old, change.step.new)
    ]
    if any(key.startswith("rootBlockDevice") for key in change.step.changed) and disks[0] != disks[1]:
        told.said.append(f"Its root disk grows from {disks[0]} to {disks[1]} GiB.")
    others = [
        key for key in change.step.changed if key != "instanceType" and not key.startswith("rootBlockDevice")
    ]
    if others:
        listed = ", ".join(dict.fromkeys(key.partition(".")[0] for key in others))
        told.said.append(f"Of the server changes, in place: {listed}.")


def _volume(found: Sequence[Change], told: Sentences) -> None:
    for change in found:
        gib = [_number(side.get("size")) for side in (change.step.old, change.step.new)]
        if change.how == _MADE:
            told.said.append(f"A data volume of {gib[1]} GiB is made, encrypted.")
        elif change.how == _TAKEN:
            told.said.append("The data volume that is in AWS already is taken back, with all that is on it.")
        elif change.how == _GONE and change.step.kept:
            told.said.append(
                f"The data volume {change.step.id} stays in AWS with all that is on it; the stack's state lets go of "
                "it."
            )
        elif change.how in {_GONE, _ANEW}:
            told.said.append(f"THE DATA VOLUME {change.step.id} IS DELETED, WITH ALL THAT IS ON IT.")
        elif "size" in change.step.changed:
            told.grows.append(change.step.id)
            told.said.append(f"The data volume grows from {gib[0]} to {gib[1]} GiB, while it is in use.")
        else:
            told.said.append(f"Of the data volume changes, in place: {', '.join(change.step.changed)}.")


def _address(found: Sequence[Change], told: Sentences) -> None:
    for change in found:
        ip = change.step.old.get("publicIp") or change.step.id
        told.said.append(
            {
                _MADE: "A public IPv4 address is rented.",
                _TAKEN: "The address that is in AWS already is taken back.",
                _GONE: f"The address {ip} is given back; with the next server comes another.",
                _ANEW: f"The address {ip} is given back, and another is rented.",
                _CHANGED: f"Of the address changes, in place: {', '.join(change.step.changed)}.",
            }[change.how]
        )


def _rules(found: Sequence[Change], told: Sentences) -> None:
    for verb, hows, side in (("opens", {_MADE, _ANEW}, "new"), ("closes", {_GONE}, "old")):
        ports: dict[str, list[str]] = {}
        for change in found:
            if change.how in hows:
                rule = getattr(change.step, side)
                ports.setdefault(_number(rule.get("fromPort")), []).append(str(rule.get("cidrIpv4", "?")))
        listed = "; ".join(f"port {port} to {', '.join(cidrs)}" for port, cidrs in sorted(ports.items()))
        if listed:
            told.said.append(f"The firewall {verb} {listed}.")
    if others := [change for change in found if change.how in {_TAKEN, _CHANGED}]:
        told.said.append(f"Of the firewall's rules {len(others)} are taken over or changed in place.")


def _records(found: Sequence[Change], told: Sentences) -> None:
    for change in found:
        record = change.step.old if change.how == _GONE else change.step.new
        name, kind = record.get("name", "?"), record.get("type", "?")
        if change.how == _GONE:
            told.said.append(f"The name {name} loses its record of type {kind}.")
        elif kind == "A":
            told.said.append(f"The name {name} is led to the server's address.")
        else:
            told.said.append(f"The name {name} has its record of type {kind} written.")


def _zone(found: Sequence[Change], told: Sentences) -> None:
    for change in found:
        name = (change.step.new or change.step.old).get("name", "?")
        becomes = {
            _MADE: "is made",
            _TAKEN: "is taken back",
            _GONE: "IS DELETED, and its name servers with it",
        }
        told.said.append(f"The zone {name} {becomes.get(change.how, 'changes')}.")


def _configuration(found: Sequence[Change], told: Sentences) -> None:
    if any(change.how != _GONE for change in found):
        told.said.append("The host is configured; of its services those restart whose configuration changes.")


def _by_itself(found: Sequence[Change], told: Sentences) -> None:
    for change, said in ((change, _BY_ITSELF[change.step.kind]) for change in found):
        told.said.append(said.get(change.how, said[_MADE]).format(name=change.step.name))


def ends(resources: Iterable[Mapping[str, Any]]) -> list[str]:
    """What AWS does by itself no more once these resources of a state are gone."""
    found = [(one["type"], one["urn"].rpartition("::")[2]) for one in resources if one["type"] in _BY_ITSELF]
    return list(dict.fromkeys(_BY_ITSELF[kind][_GONE].format(name=name) for kind, name in found))


_TELLERS: dict[str, Callable[[Sequence[Change], Sentences], None]] = {
    SERVER: _server,
    VOLUME: _volume,
    ADDRESS: _address,
    RECORD: _records,
    ZONE: _zone,
    RULE: _rules,
    CONFIGURATION: _configuration,
    **dict.fromkeys(_BY_ITSELF, _by_itself),
}


KNOWN = frozenset((*_TELLERS, *_REST))  # of all that the program makes


def _number(value: object) -> str:
    """As it is said: numbers come as floats in JSON."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)
