"""The Pulumi program: reads the settings, asks what there is already, declares the rest, exports the facts."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.runtime import config as runtime_config

from infra import dns, existing, naming
from infra.access import Access, AccessArgs
from infra.configuration import Configuration, ConfigurationArgs
from infra.firewall import Firewall, FirewallArgs
from infra.machine_type import MachineType, choose
from infra.network import Network, NetworkArgs
from infra.server import Server, ServerArgs
from infra.storage import Storage, StorageArgs
from workbench import config, configure
from workbench.outputs import ADMIN, Outputs
from workbench.settings import Settings


def main() -> None:
    """Declares the whole workbench of the stack that runs."""
    raw = _raw_config()
    try:
        settings = config.parse(raw)
    except config.SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    stack = pulumi.get_stack()
    _judge_region(settings)
    found = existing.find(settings, stack)
    machine = choose(settings, found.architecture)
    server, storage = _machine(settings, stack, machine, found.volume_id)
    facts = _facts(settings, stack, machine, server, storage)
    needed: list[pulumi.Resource] = list(server.ready)
    if settings.domain:
        zone = dns.find_zone(stack, settings.domain, settings.create_zone)
        authority = naming.certificate_authority(settings)
        named = dns.Dns("dns", dns.DnsArgs(stack, settings.domain, server.address, zone, authority))
        if named.name_servers is not None:
            pulumi.export("nameServers", named.name_servers)
        needed.append(named)
    if settings.configure:
        context = pulumi.Output.all(facts=pulumi.Output.all(**facts)).apply(
            lambda known: json.dumps({"config": raw, "outputs": known["facts"]}, sort_keys=True)
        )
        Configuration(
            "configuration",
            ConfigurationArgs(pulumi.Output.secret(context), configure.deploy_digest(), server.instance_id),
            opts=pulumi.ResourceOptions(depends_on=needed),
        )
    for key, value in facts.items():
        pulumi.export(key, value)


def _machine(
    settings: Settings, stack: str, machine: MachineType, volume_id: str | None
) -> tuple[Server, Storage]:
    network = Network("network", NetworkArgs(stack, settings.zone))
    firewall = Firewall("firewall", FirewallArgs(stack, network.vpc_id, naming.inbound_rules(settings)))
    access = Access("access", AccessArgs(stack, naming.first_boot_key(settings)))
    storage = Storage("storage", StorageArgs(stack, settings.zone, settings.data_volume_gib, volume_id))
    server = Server(
        "server",
        ServerArgs(
            stack=stack,
            machine=machine,
            root_volume_gib=settings.root_volume_gib,
            subnet_id=network.subnet_id,
            group_id=firewall.group_id,
            key_name=access.key_name,
            profile_name=access.profile_name,
            volume_id=storage.volume_id,
            admin_keys=settings.admin_ssh_keys,
            after=[*network.connected, *firewall.rules],
        ),
    )
    return server, storage


def _facts(
    settings: Settings, stack: str, machine: MachineType, server: Server, storage: Storage
) -> dict[str, pulumi.Input[Any]]:
    """The stack's outputs, by the names of workbench.outputs.Outputs."""
    host: pulumi.Input[str] = settings.domain or server.address
    facts: dict[str, pulumi.Input[Any]] = {
        "stack": stack,
        "region": naming.region_of(settings.zone),
        "zone": settings.zone,
        "address": server.address,
        "hostName": host,
        "instanceId": server.instance_id,
        "instanceType": machine.name,
        "architecture": machine.architecture,
        "vcpus": machine.vcpus,
        "memoryMib": machine.memory_mib,
        "volumeId": storage.volume_id,
        "url": pulumi.Output.concat("https://", host, "/"),
        "ssh": pulumi.Output.concat("ssh ", ADMIN, "@", server.address),
    }
    missing = {field.alias for field in Outputs.model_fields.values()} ^ set(facts)
    assert not missing, f"outputs.py and program.py disagree about {missing}"
    return facts


def _raw_config() -> Mapping[str, Any]:
    """Every key of the stack's config under `workbench:`, as the engine hands it over (values are text)."""
    everything = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    return {key: value for key, value in everything.items() if key.startswith(f"{config.NAMESPACE}:")}


def _judge_region(settings: Settings) -> None:
    answer = aws.get_region()
    region = answer.region or answer.name  # the latter where an older provider answers
    if region != naming.region_of(settings.zone):
        raise pulumi.RunError(
            f"workbench:zone is {settings.zone!r}, but the region in use is {region}; run "
            f"`pulumi config set aws:region {naming.region_of(settings.zone)}`, or choose a zone of {region}."
        )
