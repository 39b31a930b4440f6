"""What the program asks the cloud without making anything: the functions of pulumi_aws, a row each.

The names and words are those of the real provider, with which a test compares them.
"""

from __future__ import annotations

from dataclasses import replace

from lab.provider import engine
from lab.provider.asking import Invoke, Question, refuse_unknown
from lab.provider.cloud import Cloud
from lab.provider.machines import INSTANCE as INSTANCE_TYPE
from lab.provider.paths import search
from lab.provider.values import State, dns_name

_NO_RESULTS = "query returned no results. Please change your search criteria and try again"

INSTANCES = Question(
    "ec2.describe_instances -> Reservations[].Instances[]",
    "{ids: [].InstanceId, privateIps: [].PrivateIpAddress, publicIps: [].PublicIpAddress, ipv6Addresses: `[]`}",
    takes={"instanceStateNames": "instance-state-name", "instanceId": "InstanceIds[]"},
    tags="instanceTags",
    defaults={"instanceStateNames": ["running"]},
)
INSTANCE = replace(INSTANCES, one="EC2 Instance")
_LIVING = {"instanceStateNames": ["pending", "running", "shutting-down", "stopping", "stopped"]}

ZONES = Question("route53.list_hosted_zones -> HostedZones[]", "{ids: [].bare(Id)}")
ZONE = Question(
    "route53.get_hosted_zone -> [@]",
    """{id: bare(HostedZone.Id), zoneId: bare(HostedZone.Id), name: dns(HostedZone.Name),
    arn: join('', ['arn:aws:route53:::hostedzone/', bare(HostedZone.Id)]), comment: HostedZone.Config.Comment,
    callerReference: HostedZone.CallerReference, privateZone: HostedZone.Config.PrivateZone,
    resourceRecordSetCount: HostedZone.ResourceRecordSetCount, nameServers: sort(DelegationSet.NameServers),
    primaryNameServer: sort(DelegationSet.NameServers)[0]}""",
    one="Route 53 Hosted Zone",
    takes={"zoneId": "Id"},
)


def _get_instance(cloud: Cloud, arguments: State) -> State:
    """Tells what the resource tells, in the function's shapes."""
    found = INSTANCE.found(cloud, {**arguments, **_LIVING})
    instance = INSTANCE.only(found, arguments)["InstanceId"]
    _, state = engine.read(cloud, INSTANCE_TYPE, instance, {}) or ("", {})
    kept = {
        name: value for name, value in state.items() if name not in ("userData", "rootBlockDevice", "tagsAll")
    }
    lists = {"metadataOptions": [state["metadataOptions"]], "rootBlockDevices": [state["rootBlockDevice"]]}
    return {**arguments, **kept, **lists, "id": instance, "instanceId": instance}


def _get_zone(cloud: Cloud, arguments: State) -> State:
    """The API has no filters for zones."""
    refuse_unknown(arguments, {"name", "zoneId", "privateZone"})
    found = [zone for zone in ZONES.found(cloud, {}) if _fits(zone, arguments)]
    zone = search("bare(Id)", ZONE.only(found, arguments))
    tags = cloud.ask("route53.list_tags_for_resource", ResourceType="hostedzone", ResourceId=zone)
    return {**ZONE(cloud, {"zoneId": zone}), "tags": search("tags(ResourceTagSet.Tags)", tags)}


def _fits(zone: State, arguments: State) -> bool:
    if "zoneId" in arguments:
        return bool(search("bare(Id)", zone) == arguments["zoneId"])
    named = "name" not in arguments or dns_name(zone["Name"]) == dns_name(arguments["name"])
    return named and search("Config.PrivateZone || `false`", zone) == arguments.get("privateZone", False)


def _get_region(cloud: Cloud, arguments: State) -> State:
    name = arguments.get("region") or arguments.get("name") or cloud.region
    return {"id": name, "name": name, "region": name, "endpoint": f"ec2.{name}.amazonaws.com"}


def _get_caller_identity(cloud: Cloud, _arguments: State) -> State:
    who = cloud.ask("sts.get_caller_identity")
    return {"id": who["Account"], "accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"]}


INVOKES: dict[str, Invoke] = {
    "aws:index/getRegion:getRegion": _get_region,
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:ec2/getVpcs:getVpcs": Question("ec2.describe_vpcs -> Vpcs", "{ids: [].VpcId}"),
    "aws:ec2/getVpc:getVpc": Question(
        "ec2.describe_vpcs -> Vpcs",
        """{id: VpcId, arn: join('', [ec2, 'vpc/', VpcId]), cidrBlock: CidrBlock, ownerId: OwnerId,
        tags: tags(Tags)}""",
        one="EC2 VPC",
        takes={"id": "vpc-id"},
    ),
    "aws:ec2/getSubnets:getSubnets": Question("ec2.describe_subnets -> Subnets", "{ids: [].SubnetId}"),
    "aws:ec2/getInternetGateway:getInternetGateway": Question(
        "ec2.describe_internet_gateways -> InternetGateways",
        """{id: InternetGatewayId, internetGatewayId: InternetGatewayId, ownerId: OwnerId, tags: tags(Tags),
        arn: join('', [ec2, 'internet-gateway/', InternetGatewayId]),
        attachments: Attachments[].{state: State, vpcId: VpcId}}""",
        one="EC2 Internet Gateway",
        takes={"internetGatewayId": "internet-gateway-id"},
    ),
    "aws:ec2/getRouteTables:getRouteTables": Question(
        "ec2.describe_route_tables -> RouteTables", "{ids: [].RouteTableId}", takes={"vpcId": "vpc-id"}
    ),
    "aws:ec2/getRouteTable:getRouteTable": Question(
        "ec2.describe_route_tables -> RouteTables",
        """{id: RouteTableId, routeTableId: RouteTableId, arn: join('', [ec2, 'route-table/', RouteTableId]),
        vpcId: VpcId, ownerId: OwnerId, tags: tags(Tags), associations: Associations[].{routeTableAssociationId:
        RouteTableAssociationId, routeTableId: RouteTableId, subnetId: SubnetId, gatewayId: GatewayId, main: Main},
        routes: Routes[?GatewayId != 'local'].{cidrBlock: DestinationCidrBlock, gatewayId: GatewayId}}""",
        one="Route Table",
        none=_NO_RESULTS,
        takes={
            "routeTableId": "route-table-id",
            "subnetId": "association.subnet-id",
            "vpcId": "vpc-id",
            "gatewayId": "association.gateway-id",
        },
    ),
    "aws:ec2/getSecurityGroups:getSecurityGroups": Question(
        "ec2.describe_security_groups -> SecurityGroups",
        "{ids: [].GroupId, vpcIds: [].VpcId, arns: [].SecurityGroupArn}",
    ),
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": Question(
        "ec2.describe_security_group_rules -> SecurityGroupRules", "{ids: [].SecurityGroupRuleId}"
    ),
    "aws:ec2/getEips:getEips": Question(
        "ec2.describe_addresses -> Addresses", "{allocationIds: [].AllocationId, publicIps: [].PublicIp}"
    ),
    "aws:ec2/getElasticIp:getElasticIp": Question(
        "ec2.describe_addresses -> Addresses",
        """{id: AllocationId, arn: join('', [ec2, 'elastic-ip/', AllocationId]), associationId: AssociationId,
        instanceId: InstanceId, publicIp: PublicIp, tags: tags(Tags)}""",
        one="EC2 EIP",
        takes={"id": "allocation-id", "publicIp": "public-ip"},
    ),
    "aws:ec2/getInstances:getInstances": INSTANCES,
    "aws:ec2/getInstance:getInstance": _get_instance,
    "aws:ec2/getInstanceType:getInstanceType": Question(
        "ec2.describe_instance_types -> InstanceTypes",
        """{id: InstanceType, currentGeneration: CurrentGeneration, memorySize: MemoryInfo.SizeInMiB,
        defaultVcpus: VCpuInfo.DefaultVCpus, supportedArchitectures: ProcessorInfo.SupportedArchitectures}""",
        one="EC2 Instance Type",
        takes={"instanceType": "InstanceTypes[]"},
    ),
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": Question(
        "ec2.describe_instance_type_offerings -> InstanceTypeOfferings",
        "{instanceTypes: [].InstanceType, locations: [].Location, locationTypes: [].LocationType}",
        takes={"locationType": "LocationType"},
    ),
    "aws:ec2/getAmiIds:getAmiIds": Question(
        "ec2.describe_images -> reverse(sort_by(Images, &CreationDate))",
        "{ids: [].ImageId}",
        takes={"owners": "Owners"},
    ),
    "aws:ec2/getAmi:getAmi": Question(
        "ec2.describe_images -> Images",
        """{id: ImageId, imageId: ImageId, arn: join('', [ec2, 'image/', ImageId]), architecture: Architecture,
        creationDate: CreationDate, description: Description || '', name: Name, ownerId: OwnerId, public: Public,
        rootDeviceName: RootDeviceName, rootDeviceType: RootDeviceType, state: State,
        rootSnapshotId: BlockDeviceMappings[0].Ebs.SnapshotId || '',
        blockDeviceMappings: BlockDeviceMappings[].{deviceName: DeviceName, noDevice: '', virtualName: '', ebs: {
        delete_on_termination: to_string(Ebs.DeleteOnTermination), encrypted: to_string(Ebs.Encrypted || `false`),
        snapshot_id: Ebs.SnapshotId, volume_size: to_string(Ebs.VolumeSize), volume_type: Ebs.VolumeType}},
        tags: tags(Tags)}""",
        one="EC2 AMI",
        none=f"Your {_NO_RESULTS}.",
        takes={"owners": "Owners"},
    ),
    "aws:ebs/getEbsVolumes:getEbsVolumes": Question("ec2.describe_volumes -> Volumes", "{ids: [].VolumeId}"),
    "aws:ebs/getVolume:getVolume": Question(
        "ec2.describe_volumes -> Volumes",
        """{id: VolumeId, volumeId: VolumeId, arn: join('', [ec2, 'volume/', VolumeId]), createTime: CreateTime,
        availabilityZone: AvailabilityZone, encrypted: Encrypted, size: Size, volumeType: VolumeType, iops: Iops,
        throughput: Throughput, kmsKeyId: KmsKeyId || '', snapshotId: SnapshotId || '',
        multiAttachEnabled: MultiAttachEnabled || `false`, tags: tags(Tags)}""",
        one="EBS Volume",
        none=f"Your {_NO_RESULTS}.",
    ),
    "aws:ebs/getSnapshotIds:getSnapshotIds": Question(
        "ec2.describe_snapshots -> reverse(sort_by(Snapshots, &to_string(StartTime)))",
        "{ids: [].SnapshotId}",
        takes={"owners": "OwnerIds"},
    ),
    "aws:ebs/getSnapshot:getSnapshot": Question(
        "ec2.describe_snapshots -> Snapshots",
        """{id: SnapshotId, snapshotId: SnapshotId, arn: join('', [ec2, 'snapshot/', SnapshotId]), state: State,
        volumeId: VolumeId, volumeSize: VolumeSize, encrypted: Encrypted, ownerId: OwnerId,
        description: Description || '', startTime: StartTime, tags: tags(Tags)}""",
        one="EBS Snapshot",
        none=_NO_RESULTS,
        takes={"snapshotIds": "SnapshotIds", "owners": "OwnerIds"},
    ),
    "aws:iam/getRoles:getRoles": Question(
        "iam.list_roles -> Roles",
        "{names: [].RoleName, arns: [].Arn}",
        takes={"pathPrefix": "PathPrefix"},
        named="RoleName",
    ),
    "aws:iam/getInstanceProfile:getInstanceProfile": Question(
        "iam.get_instance_profile -> [InstanceProfile]",
        """{id: InstanceProfileId, arn: Arn, createDate: CreateDate, path: Path, roleArn: Roles[0].Arn || '',
        roleId: Roles[0].RoleId || '', roleName: Roles[0].RoleName || ''}""",
        one="IAM Instance Profile",
        none="reading IAM Instance Profile ({name}): couldn't find resource",
        takes={"name": "InstanceProfileName"},
    ),
    "aws:route53/getZone:getZone": _get_zone,
    "aws:route53/getZones:getZones": ZONES,
    "aws:route53/getRecords:getRecords": Question(
        "route53.list_resource_record_sets -> ResourceRecordSets",
        """{resourceRecordSets: [].{name: Name, type: Type, ttl: TTL,
        resourceRecords: ResourceRecords[].{value: Value}}}""",
        takes={"zoneId": "HostedZoneId"},
        named="Name",
    ),
    "aws:ssm/getParameter:getParameter": Question(
        "ssm.get_parameter -> [Parameter]",
        """{id: Name, arn: ARN, type: Type, value: Value, version: Version,
        insecureValue: (Type != 'SecureString' && Value) || ''}""",
        one="SSM Parameter",
        none="reading SSM Parameter ({name}): couldn't find resource",
        takes={"name": "Name", "withDecryption": "WithDecryption"},
        defaults={"withDecryption": True},
    ),
}
