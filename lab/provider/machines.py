"""The server and its disks: aws:ec2 Instance and VolumeAttachment, aws:ebs Volume and Snapshot.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

from lab.provider.cloud import Cloud
from lab.provider.schema import TAGS, Call, Prop, ResourceType, change_ec2_tags, do, ec2_tags
from lab.provider.values import State, same_members
from workbench.errors import WorkbenchError

USER_DATA_BYTES = 16384
VOLUME_TYPES = ("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1")
# A lab instance boots a whole Debian; the real provider gives it ten minutes.
SECONDS = 600.0
_DESCRIBE = Call("""ec2.describe_instances {InstanceIds: [id]}
    -> Reservations[].Instances[] | [?State.Name != 'terminated'] | [0]""")


def _state(cloud: Cloud, instance: str) -> str:
    found = _DESCRIBE(cloud, {"id": instance})
    if found is None:
        raise WorkbenchError(f"{instance} was terminated")
    return str(found["State"]["Name"])


def _wait_for(cloud: Cloud, instance: str, wanted: str) -> None:
    cloud.wait(f"{instance} to be {wanted}", lambda: _state(cloud, instance) == wanted, SECONDS)


def stop(cloud: Cloud, known: State) -> None:
    """Stop the instance and wait; content when it is stopped already."""
    instance = known["id"]
    if _state(cloud, instance) == "pending":
        _wait_for(cloud, instance, "running")
    if _state(cloud, instance) == "running":
        do("ec2.stop_instances {InstanceIds: [id]}", cloud, known)
    _wait_for(cloud, instance, "stopped")


def start(cloud: Cloud, known: State) -> None:
    """Start the instance and wait until it runs."""
    do("ec2.start_instances {InstanceIds: [id]}", cloud, known)
    _wait_for(cloud, known["id"], "running")


def _user_data_problem(text: str) -> str | None:
    size = len(text.encode())
    return None if size <= USER_DATA_BYTES else f"may have {USER_DATA_BYTES} bytes, has {size}"


_METADATA = {
    "httpEndpoint": Prop("HttpEndpoint", computed=True, choices=("enabled", "disabled")),
    "httpPutResponseHopLimit": Prop("HttpPutResponseHopLimit", "number", computed=True),
    "httpTokens": Prop("HttpTokens", computed=True, choices=("optional", "required")),
}
_ROOT = {
    "deleteOnTermination": Prop(kind="flag", read="DeleteOnTermination", computed=True),
    "encrypted": Prop(kind="flag", read="Encrypted", computed=True, replaces=True),
    "tags": TAGS,
    "volumeSize": Prop(kind="number", read="Size", computed=True),
    "volumeType": Prop(read="VolumeType", computed=True, choices=VOLUME_TYPES),
}
_ROOT_MAPPING = """rootBlockDevice && [{DeviceName: image.RootDeviceName, Ebs: {
    DeleteOnTermination: rootBlockDevice.deleteOnTermination != `false`, Encrypted: rootBlockDevice.encrypted,
    VolumeSize: rootBlockDevice.volumeSize, VolumeType: rootBlockDevice.volumeType}}]"""
_TAGS = """[{ResourceType: 'instance', Tags: pairs(tags)}, {ResourceType: 'volume', Tags: pairs(rootBlockDevice.tags)}]
    | [?Tags]"""

INSTANCE = ResourceType(
    type="aws:ec2/instance:Instance",
    props={
        "ami": Prop("ImageId", required=True, replaces=True),
        "instanceType": Prop("InstanceType", required=True),
        "subnetId": Prop("SubnetId", computed=True, replaces=True),
        "vpcSecurityGroupIds": Prop(
            "SecurityGroupIds", "list", read="SecurityGroups[].GroupId", computed=True, same=same_members
        ),
        "keyName": Prop("KeyName", computed=True, replaces=True),
        # moto forgets to change the instance itself, so that the association is asked
        "iamInstanceProfile": Prop(
            "IamInstanceProfile.Name", read="bare(Profile.IamInstanceProfile.Arn)", computed=True
        ),
        "userData": Prop("UserData", read="text(UserData)", check=_user_data_problem),
        "metadataOptions": Prop("MetadataOptions", "object", computed=True, fields=_METADATA),
        "rootBlockDevice": Prop(kind="object", read="Root && merge(Root, Ebs)", computed=True, fields=_ROOT),
        "tags": TAGS,
    },
    before="ec2.describe_images {ImageIds: [ami]} -> {image: Images[0]}",
    create=f"""ec2.run_instances {{MinCount: `1`, MaxCount: `1`, BlockDeviceMappings: {_ROOT_MAPPING},
        TagSpecifications: {_TAGS}}} -> Instances[0].InstanceId""",
    ready="State.Name == 'running'",
    seconds=SECONDS,
    read=(
        _DESCRIBE,
        "ec2.describe_instance_attribute {InstanceId: id, Attribute: 'userData'} -> {UserData: UserData.Value}",
        """ec2.describe_iam_instance_profile_associations {Filters: [{Name: 'instance-id', Values: [id]}]}
            -> {Profile: IamInstanceProfileAssociations[?State == 'associated'] | [0]}""",
        Call(
            "ec2.describe_instances {InstanceIds: [id]} -> Reservations[].Instances[].BlockDeviceMappings[]",
            match={"DeviceName": "found.RootDeviceName"},
        ),
        Call(
            "ec2.describe_volumes {VolumeIds: [found.Ebs.VolumeId]} -> {Root: Volumes[0]}", when="found.Ebs"
        ),
    ),
    outputs="""{arn: join('', [ec2, 'instance/', InstanceId]), availabilityZone: Placement.AvailabilityZone,
        instanceState: State.Name, privateIp: PrivateIpAddress || '', publicIp: PublicIpAddress || ''}""",
    settings={
        "vpcSecurityGroupIds": "ec2.modify_instance_attribute {InstanceId: id, Groups: vpcSecurityGroupIds}",
        "metadataOptions": """ec2.modify_instance_metadata_options {InstanceId: id,
            HttpEndpoint: metadataOptions.httpEndpoint, HttpTokens: metadataOptions.httpTokens,
            HttpPutResponseHopLimit: metadataOptions.httpPutResponseHopLimit}""",
        "iamInstanceProfile": (
            Call(
                """ec2.replace_iam_instance_profile_association
                {AssociationId: found.Profile.AssociationId, IamInstanceProfile: {Name: iamInstanceProfile}}""",
                when="found.Profile",
            ),
            Call(
                """ec2.associate_iam_instance_profile
                {InstanceId: id, IamInstanceProfile: {Name: iamInstanceProfile}}""",
                when="!found.Profile",
            ),
        ),
        "rootBlockDevice.volumeSize rootBlockDevice.volumeType": """ec2.modify_volume {VolumeId: found.Root.VolumeId,
            Size: rootBlockDevice.volumeSize, VolumeType: rootBlockDevice.volumeType}""",
        "rootBlockDevice.deleteOnTermination": """ec2.modify_instance_attribute {InstanceId: id, BlockDeviceMappings: [{
            DeviceName: found.RootDeviceName, Ebs: {DeleteOnTermination: rootBlockDevice.deleteOnTermination}}]}""",
        "rootBlockDevice.tags": change_ec2_tags("rootBlockDevice.tags", "found.Root.VolumeId"),
        "tags": change_ec2_tags("tags", "id"),
        # the type and the user data change only while it is stopped
        "instanceType userData": (
            stop,
            Call(
                "ec2.modify_instance_attribute {InstanceId: id, InstanceType: {Value: instanceType}}",
                when="instanceType != olds.instanceType",
            ),
            Call(
                "ec2.modify_instance_attribute {InstanceId: id, UserData: {Value: userData || ''}}",
                when="(userData || '') != (olds.userData || '')",
            ),
            start,
        ),
    },
    delete="ec2.terminate_instances {InstanceIds: [id]}",
)


VOLUME = ResourceType(
    type="aws:ebs/volume:Volume",
    props={
        "availabilityZone": Prop("AvailabilityZone", required=True, replaces=True),
        "size": Prop("Size", "number", required=True),
        "type": Prop("VolumeType", computed=True, choices=VOLUME_TYPES),
        "iops": Prop("Iops", "number", computed=True),
        "throughput": Prop("Throughput", "number", computed=True),
        "encrypted": Prop("Encrypted", "flag", computed=True, replaces=True),
        "kmsKeyId": Prop("KmsKeyId", computed=True, replaces=True),
        "snapshotId": Prop("SnapshotId", computed=True, replaces=True),
        "tags": TAGS,
    },
    create="ec2.create_volume -> VolumeId",
    ready="State == 'available' || State == 'in-use'",
    read="ec2.describe_volumes {VolumeIds: [id]} -> Volumes[?State != 'deleting' && State != 'deleted'] | [0]",
    outputs="{arn: join('', [ec2, 'volume/', VolumeId]), createTime: CreateTime}",
    settings={
        "size type iops throughput": """ec2.modify_volume
            {VolumeId: id, Size: size, VolumeType: type, Iops: iops, Throughput: throughput}"""
    },
    tags=ec2_tags("volume"),
    delete="ec2.delete_volume {VolumeId: id}",
)

SNAPSHOT = ResourceType(
    type="aws:ebs/snapshot:Snapshot",
    props={
        "volumeId": Prop("VolumeId", required=True, replaces=True),
        "description": Prop("Description", replaces=True),
        "tags": TAGS,
    },
    create="ec2.create_snapshot -> SnapshotId",
    ready="State == 'completed'",
    seconds=900.0,  # it copies the whole volume
    read="ec2.describe_snapshots {SnapshotIds: [id]} -> Snapshots[0]",
    outputs="{arn: join('', [ec2, 'snapshot/', SnapshotId]), encrypted: Encrypted, volumeSize: VolumeSize}",
    tags=ec2_tags("snapshot"),
    delete="ec2.delete_snapshot {SnapshotId: id}",
)


def _stop_first(cloud: Cloud, known: State) -> None:
    if known.get("stopInstanceBeforeDetaching"):
        stop(cloud, {"id": known["instanceId"]})


# The real provider makes up the id from what it joins; it is looked for by that. One that is there is taken as it is.
_ATTACHMENT = Call(
    "ec2.describe_volumes {VolumeIds: [volumeId]} -> Volumes[0].Attachments",
    match={"Device": "deviceName", "InstanceId": "instanceId"},
)
VOLUME_ATTACHMENT = ResourceType(
    type="aws:ec2/volumeAttachment:VolumeAttachment",
    props={
        "deviceName": Prop("Device", required=True, replaces=True),
        "instanceId": Prop("InstanceId", required=True, replaces=True),
        "volumeId": Prop("VolumeId", required=True, replaces=True),
        "stopInstanceBeforeDetaching": Prop(kind="flag"),
    },
    before=_ATTACHMENT,
    create=Call("ec2.attach_volume -> `null`", when="!AttachTime"),
    id="join('', ['vai-', crc32(join('-', [deviceName, instanceId, volumeId, '']))])",
    imports="{deviceName}:{volumeId}:{instanceId}",
    ready="State == 'attached'",
    read=_ATTACHMENT,
    delete=(
        _stop_first,
        "ec2.detach_volume {VolumeId: volumeId, InstanceId: instanceId, Device: deviceName}",
    ),
)

TYPES = (INSTANCE, VOLUME, SNAPSHOT, VOLUME_ATTACHMENT)
