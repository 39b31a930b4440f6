"""What the program asks the cloud without making anything: the functions of pulumi_aws that it calls.

Each takes the arguments as the SDK sends them and returns what the SDK's result class expects. Nothing found, or
more than one where one is asked for, is an error, in the words of the real provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from lab.provider import asking_ec2
from lab.provider.asking import Invoke, filters
from lab.provider.cloud import Cloud, code, tag_map
from lab.provider.dns import zone_id
from lab.provider.values import State, dns_name
from workbench.errors import WorkbenchError

# ---- aws:ssm


def _get_parameter(cloud: Cloud, arguments: State) -> State:
    name, decrypt = arguments["name"], arguments.get("withDecryption", True)
    try:
        found = cloud.ssm.get_parameter(Name=name, WithDecryption=decrypt)["Parameter"]
    except ClientError as error:
        if code(error) == "ParameterNotFound":
            raise WorkbenchError(f"reading SSM Parameter ({name}): couldn't find resource") from None
        raise
    secret = found["Type"] == "SecureString"
    return {
        "id": name,
        "name": name,
        "arn": found.get("ARN", ""),
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": "" if secret else found["Value"],
        "version": found["Version"],
        "withDecryption": decrypt,
    }


# ---- aws:route53


def _matching_zones(cloud: Cloud, arguments: State) -> Iterable[dict[str, Any]]:
    private = bool(arguments.get("privateZone") or arguments.get("vpcId"))
    for page in cloud.route53.get_paginator("list_hosted_zones").paginate():
        for zone in page["HostedZones"]:
            named = "name" not in arguments or dns_name(zone["Name"]) == dns_name(arguments["name"])
            is_it = "zoneId" not in arguments or zone_id(zone) == arguments["zoneId"]
            kind = "zoneId" in arguments or zone.get("Config", {}).get("PrivateZone", False) == private
            if named and is_it and kind and _has_tags(cloud, zone_id(zone), arguments.get("tags")):
                yield zone


def _zone_tags(cloud: Cloud, zone: str) -> dict[str, str]:
    found = cloud.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)
    return tag_map(found["ResourceTagSet"]["Tags"])


def _has_tags(cloud: Cloud, zone: str, wanted: dict[str, str] | None) -> bool:
    return not wanted or wanted.items() <= _zone_tags(cloud, zone).items()


def _get_zone(cloud: Cloud, arguments: State) -> State:
    if not {"name", "zoneId", "tags"} & arguments.keys():
        raise WorkbenchError("one of name, zoneId and tags is needed to find a Route 53 Hosted Zone")
    found = list(_matching_zones(cloud, arguments))
    if not found:
        raise WorkbenchError("no matching Route 53 Hosted Zone found")
    if len(found) > 1:
        raise WorkbenchError(
            "multiple Route 53 Hosted Zones matched; use additional constraints to reduce to one"
        )
    zone = zone_id(found[0])
    servers = sorted(cloud.route53.get_hosted_zone(Id=zone).get("DelegationSet", {}).get("NameServers", []))
    return {
        "id": zone,
        "zoneId": zone,
        "arn": f"arn:aws:route53:::hostedzone/{zone}",
        "name": dns_name(found[0]["Name"]),
        "callerReference": found[0].get("CallerReference", ""),
        "comment": found[0].get("Config", {}).get("Comment", ""),
        "privateZone": found[0].get("Config", {}).get("PrivateZone", False),
        "resourceRecordSetCount": found[0].get("ResourceRecordSetCount", 0),
        "nameServers": servers,
        "primaryNameServer": servers[0] if servers else "",
        "tags": _zone_tags(cloud, zone),
    }


def _get_zones(cloud: Cloud, _arguments: State) -> State:
    pages = cloud.route53.get_paginator("list_hosted_zones").paginate()
    return {"id": cloud.region, "ids": [zone_id(zone) for page in pages for zone in page["HostedZones"]]}


# ---- aws


def _get_region(cloud: Cloud, arguments: State) -> State:
    asked = arguments.get("region") or arguments.get("name") or cloud.region
    return {
        "id": asked,
        "name": asked,
        "region": asked,
        "endpoint": f"ec2.{asked}.amazonaws.com",
        "description": "Europe (Ireland)" if asked == "eu-west-1" else asked,
    }


def _get_caller_identity(cloud: Cloud, _arguments: State) -> State:
    found = cloud.sts.get_caller_identity()
    account = found["Account"]
    return {"id": account, "accountId": account, "arn": found["Arn"], "userId": found["UserId"]}


def _get_availability_zones(cloud: Cloud, arguments: State) -> State:
    asked = filters(arguments, "")
    if "state" in arguments:
        asked.append({"Name": "state", "Values": [arguments["state"]]})
    found = cloud.ec2.describe_availability_zones(Filters=asked)["AvailabilityZones"]
    without = {*arguments.get("excludeNames", []), *arguments.get("excludeZoneIds", [])}
    kept = [zone for zone in found if not {zone["ZoneName"], zone["ZoneId"]} & without]
    kept.sort(key=lambda zone: zone["ZoneName"])
    return {
        **arguments,
        "id": cloud.region,
        "names": [zone["ZoneName"] for zone in kept],
        "zoneIds": [zone["ZoneId"] for zone in kept],
        "groupNames": sorted({zone.get("GroupName") or cloud.region for zone in kept}),
    }


INVOKES: dict[str, Invoke] = {
    **asking_ec2.INVOKES,
    "aws:ssm/getParameter:getParameter": _get_parameter,
    "aws:route53/getZone:getZone": _get_zone,
    "aws:index/getRegion:getRegion": _get_region,
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _get_availability_zones,
    "aws:route53/getZones:getZones": _get_zones,
}
