"""The server: aws:ec2 Instance."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from lab.provider.cloud import Cloud, given, tag_list
from lab.provider.instance_state import ATTRIBUTES, METADATA, profile_association, read_instance, root_device
from lab.provider.network import retag
from lab.provider.power import find_instance, start_instance, stop_instance, terminate_instance, wait_for
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always, when
from lab.provider.storage import VOLUME_TYPES, modify_volume
from lab.provider.values import State, same_members
from workbench.errors import WorkbenchError

USER_DATA_BYTES = 16384
_ON = ("enabled", "disabled")

_ROOT_EBS = {
    "deleteOnTermination": "DeleteOnTermination",
    "encrypted": "Encrypted",
    "iops": "Iops",
    "kmsKeyId": "KmsKeyId",
    "throughput": "Throughput",
    "volumeSize": "VolumeSize",
    "volumeType": "VolumeType",
}
_ROOT_GROWS = {"iops": "Iops", "throughput": "Throughput", "volumeSize": "Size", "volumeType": "VolumeType"}

# ---- create


def _create(cloud: Cloud, inputs: State) -> str:
    names = {
        "ami": "ImageId",
        "instanceType": "InstanceType",
        "keyName": "KeyName",
        "ebsOptimized": "EbsOptimized",
        "disableApiStop": "DisableApiStop",
        "disableApiTermination": "DisableApiTermination",
    }
    arguments = given(inputs, names) | _placed(inputs) | _specified(inputs)
    if "rootBlockDevice" in inputs:
        arguments["BlockDeviceMappings"] = [_root_mapping(cloud, inputs)]
    if "metadataOptions" in inputs:
        arguments["MetadataOptions"] = given(inputs["metadataOptions"], METADATA)
    if "iamInstanceProfile" in inputs:
        arguments["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
    user_data = _user_data(inputs)
    if user_data:
        arguments["UserData"] = user_data
    made = cloud.ec2.run_instances(MinCount=1, MaxCount=1, **arguments)
    return str(made["Instances"][0]["InstanceId"])


def _placed(inputs: State) -> dict[str, Any]:
    """The arguments that say where in the network it is."""
    network = given(inputs, {"subnetId": "SubnetId", "privateIp": "PrivateIpAddress"})
    groups = inputs.get("vpcSecurityGroupIds")
    if "associatePublicIpAddress" in inputs:
        interface = {
            "DeviceIndex": 0,
            "AssociatePublicIpAddress": inputs["associatePublicIpAddress"],
            "DeleteOnTermination": True,
            **network,
            **({"Groups": groups} if groups else {}),
        }
        return {"NetworkInterfaces": [interface]}
    zone = given(inputs, {"availabilityZone": "AvailabilityZone"})
    return {
        **network,
        **({"SecurityGroupIds": groups} if groups else {}),
        **({"Placement": zone} if zone else {}),
    }


def _specified(inputs: State) -> dict[str, Any]:
    tags = [
        {"ResourceType": resource, "Tags": tag_list(tags)}
        for resource, tags in (
            ("instance", inputs.get("tags")),
            ("volume", inputs.get("rootBlockDevice", {}).get("tags")),
        )
        if tags
    ]
    return {"TagSpecifications": tags} if tags else {}


def _root_mapping(cloud: Cloud, inputs: State) -> dict[str, Any]:
    image = cloud.find("describe_images", "Images", ImageIds=[inputs["ami"]])
    if image is None:
        raise WorkbenchError(f"the image {inputs['ami']} does not exist in {cloud.region}")
    ebs = {"DeleteOnTermination": True, **given(inputs["rootBlockDevice"], _ROOT_EBS)}
    return {"DeviceName": image["RootDeviceName"], "Ebs": ebs}


def _user_data(inputs: State) -> bytes | str | None:
    if "userDataBase64" in inputs:
        return base64.b64decode(inputs["userDataBase64"])
    text = inputs.get("userData")
    return str(text) if text else None


def _finish(cloud: Cloud, instance: str, inputs: State) -> None:
    wait_for(cloud, instance, "running")
    if not inputs["sourceDestCheck"]:
        cloud.ec2.modify_instance_attribute(InstanceId=instance, SourceDestCheck={"Value": False})


# ---- update


def _update(cloud: Cloud, edit: Edit) -> None:
    retag(cloud, edit)
    for name, apply in _IN_PLACE.items():
        if edit.has(name):
            apply(cloud, edit)
    for name, theirs in ATTRIBUTES.items():
        if edit.has(name):
            value = {"Value": edit.news.get(name, False)}
            cloud.ec2.modify_instance_attribute(InstanceId=edit.id, **{theirs: value})
    if edit.has("instanceType", "userData", "userDataBase64"):
        _change_stopped(cloud, edit)


def _change_stopped(cloud: Cloud, edit: Edit) -> None:
    """The type and the user data change only while the instance is stopped."""
    stop_instance(cloud, edit.id)
    if edit.has("instanceType"):
        wanted = {"Value": edit.news["instanceType"]}
        cloud.ec2.modify_instance_attribute(InstanceId=edit.id, InstanceType=wanted)
    if edit.has("userData", "userDataBase64"):
        content = _user_data(edit.news) or b""
        raw = content.encode() if isinstance(content, str) else content
        cloud.ec2.modify_instance_attribute(InstanceId=edit.id, UserData={"Value": raw})
    start_instance(cloud, edit.id)


def _change_groups(cloud: Cloud, edit: Edit) -> None:
    cloud.ec2.modify_instance_attribute(InstanceId=edit.id, Groups=edit.news["vpcSecurityGroupIds"])


def _change_metadata(cloud: Cloud, edit: Edit) -> None:
    cloud.ec2.modify_instance_metadata_options(
        InstanceId=edit.id, **given(edit.news["metadataOptions"], METADATA)
    )


def _change_profile(cloud: Cloud, edit: Edit) -> None:
    held = profile_association(cloud, edit.id)
    profile = {"Name": edit.news["iamInstanceProfile"]}
    if held:
        cloud.ec2.replace_iam_instance_profile_association(
            AssociationId=held["AssociationId"], IamInstanceProfile=profile
        )
    else:
        cloud.ec2.associate_iam_instance_profile(InstanceId=edit.id, IamInstanceProfile=profile)


def _change_root(cloud: Cloud, edit: Edit) -> None:
    found = find_instance(cloud, edit.id) or {}
    device = root_device(found)
    if device is None:
        raise WorkbenchError(f"{edit.id} has no root volume")
    old, new = edit.olds.get("rootBlockDevice", {}), edit.news["rootBlockDevice"]
    volume = device["Ebs"]["VolumeId"]
    wanted = {
        api: new[name] for name, api in _ROOT_GROWS.items() if name in new and new[name] != old.get(name)
    }
    if wanted:
        modify_volume(cloud, volume, wanted)
    keep = new.get("deleteOnTermination")
    if keep is not None and keep != old.get("deleteOnTermination"):
        mapping = {"DeviceName": device["DeviceName"], "Ebs": {"DeleteOnTermination": keep}}
        cloud.ec2.modify_instance_attribute(InstanceId=edit.id, BlockDeviceMappings=[mapping])
    cloud.retag(volume, old.get("tags", {}), new.get("tags", {}))


_IN_PLACE: dict[str, Callable[[Cloud, Edit], None]] = {
    "vpcSecurityGroupIds": _change_groups,
    "metadataOptions": _change_metadata,
    "iamInstanceProfile": _change_profile,
    "rootBlockDevice": _change_root,
}


# ---- delete


def _delete(cloud: Cloud, instance: str, _state: State) -> None:
    terminate_instance(cloud, instance)


# ---- the table


def _user_data_problem(text: str) -> str | None:
    size = len(text.encode())
    return None if size <= USER_DATA_BYTES else f"may have {USER_DATA_BYTES} bytes, has {size}"


def _base64_problem(text: str) -> str | None:
    try:
        return _user_data_problem(base64.b64decode(text, validate=True).decode("latin-1"))
    except binascii.Error:
        return "must be base64"


def _one_user_data(inputs: State) -> str | None:
    both = "userData" in inputs and "userDataBase64" in inputs
    return "userData and userDataBase64 cannot both be given" if both else None


def _type_needed(inputs: State) -> str | None:
    missing = [name for name in ("ami", "instanceType") if name not in inputs]
    return f"{' and '.join(missing)} must be given" if missing else None


def _hop_problem(hops: int) -> str | None:
    return None if 1 <= hops <= 64 else f"must be from 1 to 64, got {hops}"


_METADATA_PROPS = {
    "httpEndpoint": Prop(computed=True, choices=_ON),
    "httpProtocolIpv6": Prop(computed=True, choices=_ON),
    "httpPutResponseHopLimit": Prop("number", computed=True, check=_hop_problem),
    "httpTokens": Prop(computed=True, choices=("optional", "required")),
    "instanceMetadataTags": Prop(computed=True, choices=_ON),
}
_ROOT_PROPS = {
    "deleteOnTermination": Prop("flag", computed=True),
    "encrypted": Prop("flag", computed=True, replaces=always),
    "iops": Prop("number", computed=True),
    "kmsKeyId": Prop(computed=True, replaces=always),
    "tags": TAGS,
    "throughput": Prop("number", computed=True),
    "volumeSize": Prop("number", computed=True),
    "volumeType": Prop(computed=True, choices=VOLUME_TYPES),
}

INSTANCE = ResourceType(
    type="aws:ec2/instance:Instance",
    props={
        "ami": Prop(computed=True, replaces=always),
        "associatePublicIpAddress": Prop("flag", computed=True, replaces=always),
        "availabilityZone": Prop(computed=True, replaces=always),
        "disableApiStop": Prop("flag", computed=True),
        "disableApiTermination": Prop("flag", computed=True),
        "ebsOptimized": Prop("flag", computed=True, replaces=always),
        "iamInstanceProfile": Prop(computed=True),
        "instanceType": Prop(computed=True),
        "keyName": Prop(computed=True, replaces=always),
        "metadataOptions": Prop("object", computed=True, fields=_METADATA_PROPS),
        "privateIp": Prop(computed=True, replaces=always),
        "rootBlockDevice": Prop("object", computed=True, fields=_ROOT_PROPS),
        "sourceDestCheck": Prop("flag", default=True),
        "subnetId": Prop(computed=True, replaces=always),
        "tags": TAGS,
        "userData": Prop(replaces=when("userDataReplaceOnChange"), check=_user_data_problem),
        "userDataBase64": Prop(replaces=when("userDataReplaceOnChange"), check=_base64_problem),
        "userDataReplaceOnChange": Prop("flag", default=False, kept=True),
        "vpcSecurityGroupIds": Prop("list", computed=True, same=same_members),
    },
    outputs=(
        "arn", "instanceState", "ipv6Addresses", "primaryNetworkInterfaceId", "privateDns", "publicDns", "publicIp",
        "secondaryPrivateIps", "securityGroups", "tenancy",
    ),
    rules=(_one_user_data, _type_needed),
    create=_create,
    finish=_finish,
    read=read_instance,
    update=_update,
    delete=_delete,
)  # fmt: skip

TYPES = (INSTANCE,)
