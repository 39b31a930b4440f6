"""The Pulumi program: reads the settings, asks what there is already, declares the rest, exports the facts."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.runtime import config as runtime_config

from connector import configure
from infra import buckets, dns, existing, images, naming, records
from infra import state as states
from infra.access import Access, AccessArgs
from infra.adoption import Adopter
from infra.backups import Backups, BackupsArgs
from infra.budgets import BudgetArgs, CostBudget
from infra.configuration import Configuration, ConfigurationArgs
from infra.data import Data, DataArgs
from infra.firewall import Firewall, FirewallArgs
from infra.identity import Workbench, identify
from infra.machine_type import MachineType, choose
from infra.network import Network, NetworkArgs
from infra.schedule import ScheduleArgs, ServerSchedule, events
from infra.server import Server, ServerArgs
from infra.storage import Storage, StorageArgs
from workbench import config, keys, servers, stackfile, team
from workbench.errors import WorkbenchError
from workbench.faults import NAMESPACE
from workbench.outputs import ADMIN, Outputs
from workbench.settings import Settings
from workbench.settings.backups import OFF

_NOWHERE = "unknown.invalid"  # stands in for an address that AWS has still to give (RFC 2606)


@dataclass(frozen=True)
class Plan:
    """What is to be, once nothing speaks against it; `domain` None without a name.

    `image`: what a server that is to be made starts from, None for Debian's.
    """

    settings: Settings
    owner: naming.Owner
    machine: MachineType
    image: str | None
    domain: dns.Domain | None
    adopter: Adopter | None
    beside: str = ""  # as infra/existing.py says
    regions: Mapping[str, str] = field(default_factory=dict)  # of the buckets that people are to use


def main() -> None:
    """Declares the whole workbench of the stack that runs."""
    raw = _raw_config()
    try:
        settings = config.parse(raw)
    except config.SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    _declare(_plan(settings), raw)


def _plan(settings: Settings) -> Plan:
    """All that may be refused, before the first resource. Raises RunError."""
    _judge_region(settings)
    _judge_locks(settings)
    state = states.read()
    _judge_key(settings, state)
    owner = identify(pulumi.get_stack(), state, settings.domain if settings.create_zone else None)
    present = existing.judge(settings, owner, state)
    if present.architecture is None:
        _judge_new_servers_key(settings)
    machine = choose(
        settings, present.architecture, state.value("aws:ec2/instance:Instance", "server", "instanceType")
    )
    anew = present.architecture is None or servers.ANEW_VARIABLE in os.environ
    image = images.choose(settings, owner, machine) if anew else None  # which a server that is there ignores
    domain = _domain(settings, owner, state) if settings.domain else None
    adopter = None if owner.fresh else Adopter(owner, state)
    return Plan(settings, owner, machine, image, domain, adopter, present.beside, buckets.judge(settings))


def _domain(settings: Settings, owner: naming.Owner, state: states.State) -> dns.Domain:
    assert settings.domain
    zone = dns.find_zone(owner, settings.domain, settings.create_zone)
    authority = naming.certificate_authority(settings)
    adopted = records.judge(owner, state, zone.zone_id, settings.domain, authority) if zone else {}
    return dns.Domain(settings.domain, zone, authority, adopted)


def _declare(plan: Plan, raw: Mapping[str, Any]) -> None:
    whole = Workbench(
        plan.owner, pulumi.ResourceOptions(transformations=[plan.adopter] if plan.adopter else [])
    )
    child = pulumi.ResourceOptions(parent=whole)
    server, storage, access = _machine(plan, child)
    _upkeep(plan, server, child)
    facts = _facts(plan, server, storage)
    needed: list[pulumi.Resource] = list(server.ready)
    if plan.settings.services.data.s3:
        data = _data(plan, access, child)
        facts |= {"dataRole": data.role_arn, "dataPlaces": _places(plan)}
        needed.append(data)
    if plan.domain is not None:
        named = dns.Dns("dns", dns.DnsArgs(plan.owner, plan.domain, server.address), child)
        if named.name_servers is not None:
            pulumi.export("nameServers", named.name_servers)
        needed.append(named)
    if plan.settings.configure and not plan.beside:
        context = pulumi.Output.all(facts=pulumi.Output.all(**facts)).apply(
            lambda known: json.dumps({"config": raw, "outputs": known["facts"]}, sort_keys=True)
        )
        Configuration(
            "configuration",
            ConfigurationArgs(pulumi.Output.secret(context), _digest(plan.settings), server.instance_id),
            opts=pulumi.ResourceOptions(
                parent=whole,
                depends_on=needed,
                # Of its own: the engine gives the default one all settings, and keeps them in the state in the clear.
                provider=pulumi.ProviderResource("pulumi-python", "deploy", {}),
            ),
        )
    for key, value in facts.items():
        pulumi.export(key, value)


def _machine(plan: Plan, child: pulumi.ResourceOptions) -> tuple[Server, Storage, Access]:
    settings, owner = plan.settings, plan.owner
    network = Network("network", NetworkArgs(owner, settings.zone), child)
    firewall = Firewall(
        "firewall", FirewallArgs(owner, network.vpc_id, naming.inbound_rules(settings)), child
    )
    access = Access(
        "access",
        AccessArgs(owner, naming.first_boot_key(settings), sees_snapshots=settings.snapshots.daily != OFF),
        child,
    )
    storage = Storage("storage", StorageArgs(owner, settings.zone, settings.data_volume_gib), child)
    server = Server(
        "server",
        ServerArgs(
            owner=owner,
            machine=plan.machine,
            image=plan.image,
            root_volume_gib=settings.root_volume_gib,
            subnet_id=network.subnet_id,
            group_id=firewall.group_id,
            key_name=access.key_name,
            profile_name=access.profile_name,
            volume_id=storage.volume_id,
            admin_keys=settings.admin_ssh_keys,
            keep_address=settings.keep_address,
            alone=bool(plan.beside),
            after=[*network.connected, *firewall.rules],
        ),
        child,
    )
    return server, storage, access


def _data(plan: Plan, access: Access, child: pulumi.ResourceOptions) -> Data:
    grants = plan.settings.services.data.grants
    return Data("data-access", DataArgs(plan.owner, grants, access.role_name, access.role_arn), child)


def _places(plan: Plan) -> list[dict[str, Any]]:
    """What the role for data may use, for the stack's outputs."""
    return [
        {**one._asdict(), "region": plan.regions[one.bucket]} for one in plan.settings.services.data.grants
    ]


def _upkeep(plan: Plan, server: Server, child: pulumi.ResourceOptions) -> None:
    """What AWS does by itself from now on, where the settings ask for it."""
    settings, owner = plan.settings, plan.owner
    if settings.schedule is not None and (wanted := events(settings.schedule)):
        now = {} if plan.beside else wanted  # nobody is to stop a server that is just being made
        zone = settings.schedule.time_zone
        args = ScheduleArgs(owner, now, zone, server.instance_id, server.instance_arn)
        ServerSchedule("schedule", args, child)
    if settings.snapshots.daily != OFF:
        Backups("backups", BackupsArgs(owner, settings.snapshots, settings.region), child)
    if settings.budget is not None:
        CostBudget("budget", BudgetArgs(owner, settings.budget), child)


def _facts(plan: Plan, server: Server, storage: Storage) -> dict[str, pulumi.Input[Any]]:
    """The stack's outputs, by the names of workbench.outputs.Outputs."""
    settings, machine = plan.settings, plan.machine
    host: pulumi.Input[str] = settings.domain or server.address
    facts: dict[str, pulumi.Input[Any]] = {
        "stack": plan.owner.stack,
        "region": settings.region,
        "zone": settings.zone,
        "address": server.address,
        "hostName": host,
        "instanceId": plan.beside or server.instance_id,  # the one that answers at the address
        "instanceType": machine.name,
        "architecture": machine.architecture,
        "vcpus": machine.vcpus,
        "memoryMib": machine.memory_mib,
        "volumeId": storage.volume_id,
        "url": pulumi.Output.concat("https://", host, "/"),
        "ssh": pulumi.Output.concat("ssh ", ADMIN, "@", server.address),
    }
    missing = {one.alias for one in Outputs.model_fields.values() if one.is_required()} ^ set(facts)
    assert not missing, f"outputs.py and program.py disagree about {missing}"
    return facts


def _raw_config() -> Mapping[str, Any]:
    """Every key of the stack's config under `workbench:`, as the engine hands it over (values are text)."""
    everything = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    return {key: value for key, value in everything.items() if key.startswith(f"{NAMESPACE}:")}


def _judge_key(settings: Settings, state: states.State) -> None:
    """The key that the deploy gets in with is looked at before a server is made that it could not get into."""
    address = state.value("aws:ec2/eip:Eip", "address", "publicIp")
    if settings.configure:
        try:
            configure.way_in(settings.admin_ssh_keys, address or _NOWHERE)
        except WorkbenchError as error:
            raise pulumi.RunError(str(error)) from None


def _judge_new_servers_key(settings: Settings) -> None:
    """A new server has the keys of the settings and no others; one that there is may have been given more."""
    for fault in keys.not_accepted(settings.admin_ssh_keys) if settings.configure else ():
        raise pulumi.RunError(fault)


def _judge_locks(settings: Settings) -> None:
    """The team's environments are installed from locks, which are files beside the stack file."""
    try:
        team.locks(stackfile.path_of(pulumi.get_stack()), settings)
    except WorkbenchError as error:
        raise pulumi.RunError(str(error)) from None


def _digest(settings: Settings) -> str:
    """What decides what the deploy does, save settings and facts: its code, and the locks of environments."""
    if not settings.environments:
        return configure.deploy_digest()
    return f"{configure.deploy_digest()} {team.digest(stackfile.path_of(pulumi.get_stack()), settings)}"


def _judge_region(settings: Settings) -> None:
    answer = aws.get_region()
    region = answer.region or answer.name  # the latter where an older provider answers
    if region != settings.region:
        raise pulumi.RunError(
            f"workbench:zone is {settings.zone!r}, but the region in use is {region}; run "
            f"`pulumi config set aws:region {settings.region}`, or choose a zone of {region}."
        )
