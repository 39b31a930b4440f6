"""Names: aws:route53 Zone and Record.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

from dataclasses import replace

from lab.provider.schema import TAGS, Call, Prop, ResourceType, Tagging
from lab.provider.values import same_dns_name, same_members

# Those whose values are sent as they are given: texts would have to be put in quotes.
RECORD_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV")

# A public zone: a private one would need `vpcs`, which is refused.
ZONE = ResourceType(
    type="aws:route53/zone:Zone",
    props={
        "name": Prop("Name", read="dns(HostedZone.Name)", required=True, replaces=True, same=same_dns_name),
        "comment": Prop("HostedZoneConfig.Comment", read="HostedZone.Config.Comment", required=True),
        "tags": replace(TAGS, late=True),
    },
    create="route53.create_hosted_zone {CallerReference: unique} -> bare(HostedZone.Id)",
    read=(
        "route53.get_hosted_zone {Id: id} -> {HostedZone: HostedZone, DelegationSet: DelegationSet}",
        """route53.list_tags_for_resource {ResourceType: 'hostedzone', ResourceId: id}
            -> {Tags: ResourceTagSet.Tags}""",
    ),
    outputs="{arn: join('', ['arn:aws:route53:::hostedzone/', bare(HostedZone.Id)]), zoneId: bare(HostedZone.Id), "
    "nameServers: sort(DelegationSet.NameServers), primaryNameServer: sort(DelegationSet.NameServers)[0]}",
    settings={"comment": "route53.update_hosted_zone_comment {Id: id, Comment: comment}"},
    tags=Tagging(
        create="",
        change="""route53.change_tags_for_resource {ResourceType: 'hostedzone', ResourceId: id,
            AddTags: pairs(tags) || `null`, RemoveTagKeys: without(olds.tags, tags) || `null`}""",
    ),
    delete="route53.delete_hosted_zone {Id: id}",
)


def _change(action: str, record: str, when: str = "`true`") -> Call:
    batch = f"{{Changes: [{{Action: '{action}', ResourceRecordSet: {record}}}]}}"
    asked = f"route53.change_resource_record_sets {{HostedZoneId: zoneId, ChangeBatch: {batch}}}"
    return Call(f"{asked} -> `null`", when=when)


_WANTED = "{Name: name, Type: type, TTL: ttl, ResourceRecords: records[].{Value: @}}"
_FOUND = "found.{Name: Name, Type: Type, TTL: TTL, ResourceRecords: ResourceRecords}"
# A plain one: aliases and routing policies are refused.
RECORD = ResourceType(
    type="aws:route53/record:Record",
    props={
        "zoneId": Prop(read="known.zoneId", required=True, replaces=True),
        "name": Prop(read="dns(Name)", required=True, replaces=True, same=same_dns_name),
        "type": Prop(read="Type", required=True, choices=RECORD_TYPES),
        "ttl": Prop(kind="number", read="TTL", required=True),
        "records": Prop(kind="list", read="ResourceRecords[].Value", required=True, same=same_members),
    },
    create=_change("CREATE", _WANTED),
    id="join('_', [zoneId, dns(name), type])",
    imports="{zoneId}_{name}_{type}",
    read=Call(
        "route53.list_resource_record_sets {HostedZoneId: zoneId} -> ResourceRecordSets",
        match={"dns(Name)": "dns(name)", "Type": "type"},
    ),
    outputs="{fqdn: dns(Name)}",
    settings={
        "type ttl records": (_change("DELETE", _FOUND, "type != olds.type"), _change("UPSERT", _WANTED))
    },
    delete=_change("DELETE", _FOUND),
)

TYPES = (ZONE, RECORD)
