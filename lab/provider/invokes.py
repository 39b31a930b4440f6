"""What the program asks the cloud without making anything: the functions of pulumi_aws, a row each.

The names and words are those of the real provider (tests/unit/lab/provider/oracle.py compares them with it).
"""

from __future__ import annotations

from dataclasses import replace

from lab.provider.asking import Invoke, Question, refuse_unknown
from lab.provider.cloud import Cloud, tag_map
from lab.provider.instance_state import read_instance
from lab.provider.paths import search
from lab.provider.values import State, dns_name
from workbench.errors import WorkbenchError

INSTANCES = Question(
    "ec2.describe_instances",
    "Reservations[].Instances[]",
    {
        "ids": "[].InstanceId",
        "privateIps": "[].PrivateIpAddress",
        "publicIps": "[].PublicIpAddress",
        "ipv6Addresses": "[].Ipv6Address",
    },
    takes={"instanceStateNames": "instance-state-name", "instanceId": "InstanceIds[]"},
    tags="instanceTags",
    defaults={"instanceStateNames": ["running"]},
)
INSTANCE = replace(INSTANCES, one="EC2 Instance")
LIVING = {"instanceStateNames": ["pending", "running", "shutting-down", "stopping", "stopped"]}
ZONES = Question("route53.list_hosted_zones", "HostedZones[]", {"ids": "[].bare(Id)"})


def _get_instance(cloud: Cloud, arguments: State) -> State:
    found = INSTANCE.found(cloud, {**arguments, **LIVING})
    instance = INSTANCE.only(found, arguments)["InstanceId"]
    state = read_instance(cloud, instance, {}) or {}
    state["rootBlockDevices"] = [{"tags": {}, **(state.pop("rootBlockDevice") or {})}]
    state = {name: value for name, value in state.items() if name not in ("userData", "userDataBase64")}
    return {
        **state,
        "id": instance,
        "instanceId": instance,
        "instanceTags": state["tags"],
        "metadataOptions": [state["metadataOptions"]],
        "networkInterfaceId": state["primaryNetworkInterfaceId"],
    }


def _get_zone(cloud: Cloud, arguments: State) -> State:
    """The API has no filters for zones, and the tags are to be asked for one by one."""
    refuse_unknown(arguments, {"name", "zoneId", "privateZone", "tags"})
    if not {"name", "zoneId", "tags"} & arguments.keys():
        raise WorkbenchError("one of name, zoneId and tags is needed to find a Route 53 Hosted Zone")
    found = [zone for zone in ZONES.found(cloud, {}) if _fits(cloud, zone, arguments)]
    if not found:
        raise WorkbenchError("no matching Route 53 Hosted Zone found")
    if len(found) > 1:
        raise WorkbenchError(
            "multiple Route 53 Hosted Zones matched; use additional constraints to reduce to one"
        )
    zone = search("bare(Id)", found[0])
    servers = sorted(cloud.ask("route53.get_hosted_zone", Id=zone)["DelegationSet"]["NameServers"])
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
        "primaryNameServer": servers[0],
        "tags": _zone_tags(cloud, zone),
    }


def _fits(cloud: Cloud, zone: State, arguments: State) -> bool:
    if "zoneId" in arguments and search("bare(Id)", zone) != arguments["zoneId"]:
        return False
    if "name" in arguments and dns_name(zone["Name"]) != dns_name(arguments["name"]):
        return False
    private = arguments.get("privateZone", False)
    if "zoneId" not in arguments and zone.get("Config", {}).get("PrivateZone", False) != private:
        return False
    wanted = arguments.get("tags") or {}
    return not wanted or wanted.items() <= _zone_tags(cloud, search("bare(Id)", zone)).items()


def _zone_tags(cloud: Cloud, zone: str) -> dict[str, str]:
    found = cloud.ask("route53.list_tags_for_resource", ResourceType="hostedzone", ResourceId=zone)
    return tag_map(found["ResourceTagSet"]["Tags"])


def _get_region(cloud: Cloud, arguments: State) -> State:
    asked = arguments.get("region") or arguments.get("name") or cloud.region
    return {
        "id": asked,
        "name": asked,
        "region": asked,
        "endpoint": f"ec2.{asked}.amazonaws.com",
        "description": "Europe (Ireland)" if asked == "eu-west-1" else asked,
    }


_IDS = {
    "aws:ec2/getVpcs:getVpcs": ("ec2.describe_vpcs", "Vpcs[]", "VpcId"),
    "aws:ec2/getSubnets:getSubnets": ("ec2.describe_subnets", "Subnets[]", "SubnetId"),
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": (
        "ec2.describe_security_group_rules", "SecurityGroupRules[]", "SecurityGroupRuleId",
    ),
    "aws:ebs/getEbsVolumes:getEbsVolumes": ("ec2.describe_volumes", "Volumes[]", "VolumeId"),
}  # fmt: skip

INVOKES: dict[str, Invoke] = {
    **{token: Question(call, things, {"ids": f"[].{id_}"}) for token, (call, things, id_) in _IDS.items()},
    "aws:ec2/getRouteTables:getRouteTables": Question(
        "ec2.describe_route_tables",
        "RouteTables[]",
        {"ids": "[].RouteTableId"},
        takes={"vpcId": "vpc-id"},
    ),
    "aws:ec2/getSecurityGroups:getSecurityGroups": Question(
        "ec2.describe_security_groups",
        "SecurityGroups[]",
        {"ids": "[].GroupId", "vpcIds": "[].VpcId", "arns": "[].SecurityGroupArn"},
    ),
    "aws:ec2/getEips:getEips": Question(
        "ec2.describe_addresses",
        "Addresses[]",
        {"allocationIds": "[].AllocationId", "publicIps": "[].PublicIp"},
    ),
    "aws:ec2/getVpc:getVpc": Question(
        "ec2.describe_vpcs",
        "Vpcs[]",
        {
            "id": "VpcId",
            "arn": "arn:aws:ec2:{region}:{account}:vpc/{id}",
            "cidrBlock": "CidrBlock",
            "ownerId": "OwnerId",
            "tags": "tags(Tags)",
        },
        one="EC2 VPC",
        takes={"id": "vpc-id"},
    ),
    "aws:ec2/getElasticIp:getElasticIp": Question(
        "ec2.describe_addresses",
        "Addresses[]",
        {
            "id": "AllocationId",
            "arn": "arn:aws:ec2:{region}:{account}:elastic-ip/{id}",
            "associationId": "AssociationId",
            "instanceId": "InstanceId",
            "publicIp": "PublicIp",
            "tags": "tags(Tags)",
        },
        one="EC2 EIP",
        takes={"id": "allocation-id", "publicIp": "public-ip"},
    ),
    "aws:ec2/getInstances:getInstances": INSTANCES,
    "aws:ec2/getInstance:getInstance": _get_instance,
    "aws:ec2/getInternetGateway:getInternetGateway": Question(
        "ec2.describe_internet_gateways",
        "InternetGateways[]",
        {
            "id": "InternetGatewayId",
            "internetGatewayId": "InternetGatewayId",
            "arn": "arn:aws:ec2:{region}:{account}:internet-gateway/{id}",
            "attachments": "Attachments[].{state: State, vpcId: VpcId}",
            "ownerId": "OwnerId",
            "tags": "tags(Tags)",
        },
        one="EC2 Internet Gateway",
        takes={"internetGatewayId": "internet-gateway-id"},
    ),
    "aws:ec2/getRouteTable:getRouteTable": Question(
        "ec2.describe_route_tables",
        "RouteTables[]",
        {
            "id": "RouteTableId",
            "routeTableId": "RouteTableId",
            "arn": "arn:aws:ec2:{region}:{account}:route-table/{id}",
            "vpcId": "VpcId",
            "ownerId": "OwnerId",
            "associations": "Associations[].{routeTableAssociationId: RouteTableAssociationId, routeTableId: "
            "RouteTableId, subnetId: SubnetId, gatewayId: GatewayId, main: Main}",
            "routes": "Routes[?GatewayId!='local'].{cidrBlock: DestinationCidrBlock, gatewayId: GatewayId}",
            "tags": "tags(Tags)",
        },
        one="Route Table",
        none="query returned no results. Please change your search criteria and try again",
        takes={
            "routeTableId": "route-table-id",
            "subnetId": "association.subnet-id",
            "gatewayId": "association.gateway-id",
            "vpcId": "vpc-id",
        },
    ),
    "aws:vpc/getSecurityGroupRule:getSecurityGroupRule": Question(
        "ec2.describe_security_group_rules",
        "SecurityGroupRules[]",
        {
            "id": "SecurityGroupRuleId",
            "securityGroupRuleId": "SecurityGroupRuleId",
            "arn": "arn:aws:ec2:{region}:{account}:security-group-rule/{id}",
            "securityGroupId": "GroupId",
            "isEgress": "IsEgress",
            "ipProtocol": "IpProtocol",
            "fromPort": "FromPort",
            "toPort": "ToPort",
            "cidrIpv4": "CidrIpv4",
            "description": "Description",
            "tags": "tags(Tags)",
        },
        one="Security Group Rule",
        takes={"securityGroupRuleId": "SecurityGroupRuleIds[]"},
    ),
    "aws:ec2/getKeyPair:getKeyPair": Question(
        "ec2.describe_key_pairs",
        "KeyPairs[]",
        {
            "id": "KeyPairId",
            "keyPairId": "KeyPairId",
            "arn": "arn:aws:ec2:{region}:{account}:key-pair/{keyName}",
            "keyName": "KeyName",
            "keyType": "KeyType",
            "fingerprint": "KeyFingerprint",
            "createTime": "CreateTime",
            "publicKey": "PublicKey",
            "tags": "tags(Tags)",
        },
        one="EC2 Key Pair",
        takes={
            "keyName": "KeyNames[]",
            "keyPairId": "KeyPairIds[]",
            "includePublicKey": "IncludePublicKey",
        },
    ),
    "aws:ebs/getVolume:getVolume": Question(
        "ec2.describe_volumes",
        "Volumes[]",
        {
            "id": "VolumeId",
            "volumeId": "VolumeId",
            "arn": "arn:aws:ec2:{region}:{account}:volume/{id}",
            "availabilityZone": "AvailabilityZone",
            "createTime": "CreateTime",
            "encrypted": "Encrypted",
            "size": "Size",
            "volumeType": "VolumeType",
            "iops": "Iops",
            "throughput": "Throughput",
            "kmsKeyId": "KmsKeyId || ''",
            "snapshotId": "SnapshotId || ''",
            "multiAttachEnabled": "MultiAttachEnabled || `false`",
            "tags": "tags(Tags)",
        },
        one="EBS Volume",
        none="Your query returned no results. Please change your search criteria and try again.",
        many="Your query returned more than one result. Please try a more specific search criteria, or set "
        "`most_recent` attribute to true.",
        newest="CreateTime",
    ),
    "aws:ec2/getInstanceType:getInstanceType": Question(
        "ec2.describe_instance_types",
        "InstanceTypes[]",
        {
            "id": "InstanceType",
            "currentGeneration": "CurrentGeneration",
            "memorySize": "MemoryInfo.SizeInMiB",
            "defaultVcpus": "VCpuInfo.DefaultVCpus",
            "defaultCores": "VCpuInfo.DefaultCores",
            "defaultThreadsPerCore": "VCpuInfo.DefaultThreadsPerCore",
            "supportedArchitectures": "ProcessorInfo.SupportedArchitectures",
            "sustainedClockSpeed": "ProcessorInfo.SustainedClockSpeedInGhz",
        },
        one="EC2 Instance Type",
        takes={"instanceType": "InstanceTypes[]"},
    ),
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": Question(
        "ec2.describe_instance_type_offerings",
        "InstanceTypeOfferings[]",
        {
            "instanceTypes": "[].InstanceType",
            "locations": "[].Location",
            "locationTypes": "[].LocationType",
        },
        takes={"locationType": "LocationType"},
    ),
    "aws:iam/getRoles:getRoles": Question(
        "iam.list_roles",
        "Roles[]",
        {"names": "[].RoleName", "arns": "[].Arn"},
        takes={"pathPrefix": "PathPrefix"},
        named="RoleName",
    ),
    "aws:iam/getRole:getRole": Question(
        "iam.get_role",
        "[Role]",
        {
            "id": "RoleName",
            "arn": "Arn",
            "assumeRolePolicy": "to_string(AssumeRolePolicyDocument)",
            "createDate": "CreateDate",
            "description": "Description || ''",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn || ''",
            "uniqueId": "RoleId",
            "tags": "tags(Tags)",
        },
        one="IAM Role",
        none="reading IAM Role ({name}): couldn't find resource",
        takes={"name": "RoleName"},
    ),
    "aws:iam/getInstanceProfile:getInstanceProfile": Question(
        "iam.get_instance_profile",
        "[InstanceProfile]",
        {
            "id": "InstanceProfileId",
            "arn": "Arn",
            "createDate": "CreateDate",
            "path": "Path",
            "roleArn": "Roles[0].Arn || ''",
            "roleId": "Roles[0].RoleId || ''",
            "roleName": "Roles[0].RoleName || ''",
        },
        one="IAM Instance Profile",
        none="reading IAM Instance Profile ({name}): couldn't find resource",
        takes={"name": "InstanceProfileName"},
    ),
    "aws:route53/getZone:getZone": _get_zone,
    "aws:route53/getZones:getZones": ZONES,
    "aws:route53/getRecords:getRecords": Question(
        "route53.list_resource_record_sets",
        "ResourceRecordSets[]",
        {
            "resourceRecordSets": "[].{name: Name, type: Type, ttl: TTL, "
            "resourceRecords: ResourceRecords[].{value: Value}}"
        },
        takes={"zoneId": "HostedZoneId"},
        named="Name",
    ),
    "aws:ssm/getParameter:getParameter": Question(
        "ssm.get_parameter",
        "[Parameter]",
        {
            "id": "Name",
            "arn": "ARN",
            "type": "Type",
            "value": "Value",
            "insecureValue": "Type != 'SecureString' && Value || ''",
            "version": "Version",
        },
        one="SSM Parameter",
        none="reading SSM Parameter ({name}): couldn't find resource",
        takes={"name": "Name", "withDecryption": "WithDecryption"},
        defaults={"withDecryption": True},
    ),
    "aws:index/getRegion:getRegion": _get_region,
}
