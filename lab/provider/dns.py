"""Names: aws:route53 Zone and Record."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.cloud import Cloud, gone_is_fine, is_gone, tag_list, tag_state
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State, dns_name, same_dns_name, same_members
from workbench.errors import WorkbenchError

RECORD_TYPES = (
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP", "SVCB",
    "TLSA", "TXT",
)  # fmt: skip
CHANGE_SECONDS = 300.0

# ---- aws:route53:Zone (public; a private zone would need `vpcs`, which is refused)


def _create_zone(cloud: Cloud, inputs: State) -> str:
    made = cloud.route53.create_hosted_zone(
        Name=inputs["name"],
        CallerReference=f"workbench-{uuid.uuid4()}",
        HostedZoneConfig={"Comment": inputs["comment"], "PrivateZone": False},
    )
    return zone_id(made["HostedZone"])


def zone_id(zone: dict[str, Any]) -> str:
    """The bare id of a described zone: the API writes `/hostedzone/Z123`."""
    return str(zone["Id"]).rpartition("/")[2]


def _finish_zone(cloud: Cloud, zone: str, inputs: State) -> None:
    if inputs.get("tags"):
        cloud.route53.change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=zone, AddTags=tag_list(inputs["tags"])
        )


def _read_zone(cloud: Cloud, zone: str, _known: State) -> State | None:
    try:
        found = cloud.route53.get_hosted_zone(Id=zone)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    servers = sorted(found.get("DelegationSet", {}).get("NameServers", []))
    tags = cloud.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)
    return {
        "name": dns_name(found["HostedZone"]["Name"]),
        "comment": found["HostedZone"].get("Config", {}).get("Comment", ""),
        "zoneId": zone,
        "arn": f"arn:aws:route53:::hostedzone/{zone}",
        "nameServers": servers,
        "primaryNameServer": servers[0] if servers else "",
        **tag_state(tags["ResourceTagSet"]["Tags"]),
    }


def _update_zone(cloud: Cloud, edit: Edit) -> None:
    if edit.has("comment"):
        cloud.route53.update_hosted_zone_comment(Id=edit.id, Comment=edit.news["comment"])
    if edit.has("tags"):
        news = edit.news.get("tags", {})
        changes = {
            "AddTags": tag_list(news),
            "RemoveTagKeys": [key for key in edit.olds.get("tags", {}) if key not in news],
        }
        asked = {name: value for name, value in changes.items() if value}
        cloud.route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=edit.id, **asked)


def _delete_zone(cloud: Cloud, zone: str, state: State) -> None:
    with gone_is_fine():
        if state.get("forceDestroy"):
            _empty(cloud, zone, dns_name(state["name"]))
        cloud.route53.delete_hosted_zone(Id=zone)


def _empty(cloud: Cloud, zone: str, apex: str) -> None:
    for record in _records(cloud, zone):
        if not (dns_name(record["Name"]) == apex and record["Type"] in ("NS", "SOA")):
            _change(cloud, zone, "DELETE", record)


ZONE = ResourceType(
    type="aws:route53/zone:Zone",
    props={
        "name": Prop(required=True, replaces=always, same=same_dns_name),
        "comment": Prop(default="Managed by Pulumi"),
        "forceDestroy": Prop("flag", default=False, kept=True),
        "tags": TAGS,
    },
    outputs=("arn", "nameServers", "primaryNameServer", "zoneId"),
    create=_create_zone,
    finish=_finish_zone,
    read=_read_zone,
    update=_update_zone,
    delete=_delete_zone,
)


# ---- aws:route53:Record (plain ones: aliases and routing policies are refused)


def _records(cloud: Cloud, zone: str) -> Iterator[dict[str, Any]]:
    for page in cloud.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone):
        yield from page["ResourceRecordSets"]


def _change(cloud: Cloud, zone: str, action: str, record: dict[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    info = cloud.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]
    if info["Status"] != "INSYNC":

        def in_sync() -> bool:
            return bool(cloud.route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC")

        cloud.wait(f"{record['Name']} to be known to the name servers", in_sync, CHANGE_SECONDS)


def _zone_name(cloud: Cloud, zone: str) -> str:
    return dns_name(cloud.route53.get_hosted_zone(Id=zone)["HostedZone"]["Name"])


def _full_name(name: str, apex: str) -> str:
    """The name in its zone: "bench", "bench.example.org" and "bench.example.org." are the same in example.org."""
    bare = dns_name(name)
    return bare if bare == apex or bare.endswith("." + apex) else f"{bare}.{apex}"


def _record_set(cloud: Cloud, inputs: State) -> dict[str, Any]:
    quoted = inputs["type"] in ("TXT", "SPF")
    return {
        "Name": _full_name(inputs["name"], _zone_name(cloud, inputs["zoneId"])),
        "Type": inputs["type"],
        "TTL": inputs["ttl"],
        "ResourceRecords": [{"Value": f'"{value}"' if quoted else value} for value in inputs["records"]],
    }


def _record_id(state: State) -> str:
    return f"{state['zoneId']}_{dns_name(state['name'])}_{state['type']}"


def _create_record(cloud: Cloud, inputs: State) -> str:
    action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
    _change(cloud, inputs["zoneId"], action, _record_set(cloud, inputs))
    return _record_id(inputs)


def _find_record(cloud: Cloud, zone: str, name: str, kind: str) -> dict[str, Any] | None:
    try:
        full = _full_name(name, _zone_name(cloud, zone))
        matching = (r for r in _records(cloud, zone) if (dns_name(r["Name"]), r["Type"]) == (full, kind))
        return next(matching, None)
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _read_record(cloud: Cloud, record: str, known: State) -> State | None:
    zone, _, rest = record.partition("_")
    name, _, kind = rest.rpartition("_")
    if known:
        zone, name, kind = known["zoneId"], known["name"], known["type"]
    elif not name:
        raise WorkbenchError(f"to import a record give ZONEID_NAME_TYPE, not {record!r}")
    found = _find_record(cloud, zone, name, kind)
    if found is None:
        return None
    quoted = kind in ("TXT", "SPF")
    values = [item["Value"] for item in found.get("ResourceRecords", [])]
    return {
        "zoneId": zone,
        "name": name,
        "type": kind,
        "ttl": found.get("TTL", 0),
        "records": [value.strip('"') if quoted else value for value in values],
        "fqdn": dns_name(found["Name"]),
    }


def _update_record(cloud: Cloud, edit: Edit) -> None:
    if edit.has("type"):
        _delete_record(cloud, edit.id, edit.olds)
    if edit.has("type", "ttl", "records"):
        _change(cloud, edit.news["zoneId"], "UPSERT", _record_set(cloud, edit.news))


def _delete_record(cloud: Cloud, _record: str, state: State) -> None:
    found = _find_record(cloud, state["zoneId"], state["name"], state["type"])
    if found:
        _change(cloud, state["zoneId"], "DELETE", found)


RECORD = ResourceType(
    type="aws:route53/record:Record",
    props={
        "zoneId": Prop(required=True, replaces=always),
        "name": Prop(required=True, replaces=always, same=same_dns_name),
        "type": Prop(required=True, choices=RECORD_TYPES),
        "ttl": Prop("number", required=True),
        "records": Prop("list", required=True, same=same_members),
        "allowOverwrite": Prop("flag", kept=True),
    },
    outputs=("fqdn",),
    create=_create_record,
    read=_read_record,
    update=_update_record,
    delete=_delete_record,
)

TYPES = (ZONE, RECORD)
