"""Functions of aws:ec2 and aws:ebs: instances, their types, images and volumes."""

from __future__ import annotations

import re
from typing import Any

from lab.provider.asking import Invoke, filters, only
from lab.provider.cloud import Cloud, given, tag_map
from lab.provider.instance_state import read_instance
from lab.provider.values import State
from workbench.errors import WorkbenchError

# ---- aws:ec2


def _get_instance_type(cloud: Cloud, arguments: State) -> State:
    wanted = arguments["instanceType"]
    found = only(cloud.ec2.describe_instance_types(InstanceTypes=[wanted])["InstanceTypes"], None)
    cpu, network = found.get("VCpuInfo", {}), found.get("NetworkInfo", {})
    return {
        "id": wanted,
        "instanceType": wanted,
        "currentGeneration": found.get("CurrentGeneration"),
        "freeTierEligible": found.get("FreeTierEligible"),
        "bareMetal": found.get("BareMetal"),
        "hypervisor": found.get("Hypervisor"),
        "burstablePerformanceSupported": found.get("BurstablePerformanceSupported"),
        "memorySize": found["MemoryInfo"]["SizeInMiB"],
        "defaultVcpus": cpu.get("DefaultVCpus"),
        "defaultCores": cpu.get("DefaultCores"),
        "defaultThreadsPerCore": cpu.get("DefaultThreadsPerCore"),
        "supportedArchitectures": found.get("ProcessorInfo", {}).get("SupportedArchitectures", []),
        "sustainedClockSpeed": found.get("ProcessorInfo", {}).get("SustainedClockSpeedInGhz"),
        "supportedRootDeviceTypes": found.get("SupportedRootDeviceTypes", []),
        "supportedUsagesClasses": found.get("SupportedUsageClasses", []),
        "supportedVirtualizationTypes": found.get("SupportedVirtualizationTypes", []),
        "instanceStorageSupported": found.get("InstanceStorageSupported"),
        "ebsEncryptionSupport": found.get("EbsInfo", {}).get("EncryptionSupport"),
        "ebsNvmeSupport": found.get("EbsInfo", {}).get("NvmeSupport"),
        "ebsOptimizedSupport": found.get("EbsInfo", {}).get("EbsOptimizedSupport"),
        "enaSupport": network.get("EnaSupport"),
        "ipv6Supported": network.get("Ipv6Supported"),
        "networkPerformance": network.get("NetworkPerformance"),
        "maximumNetworkInterfaces": network.get("MaximumNetworkInterfaces"),
    }


def _describe_instances(cloud: Cloud, **arguments: Any) -> list[dict[str, Any]]:
    pages = cloud.ec2.get_paginator("describe_instances").paginate(**arguments)
    return [item for page in pages for group in page["Reservations"] for item in group["Instances"]]


def _get_instances(cloud: Cloud, arguments: State) -> State:
    states = arguments.get("instanceStateNames") or ["running"]
    running = {"Name": "instance-state-name", "Values": states}
    found = _describe_instances(cloud, Filters=[*filters(arguments, "instanceTags"), running])

    def all_of(key: str) -> list[str]:
        return [item[key] for item in found if item.get(key)]

    return {
        **arguments,
        "id": cloud.region,
        "instanceTags": arguments.get("instanceTags", {}),
        "ids": all_of("InstanceId"),
        "privateIps": all_of("PrivateIpAddress"),
        "publicIps": all_of("PublicIpAddress"),
        "ipv6Addresses": [],
    }


def _get_instance(cloud: Cloud, arguments: State) -> State:
    ids = {"InstanceIds": [arguments["instanceId"]]} if "instanceId" in arguments else {}
    found = _describe_instances(cloud, Filters=filters(arguments, "instanceTags"), **ids)
    living = [item for item in found if item["State"]["Name"] != "terminated"]
    if not living:
        raise WorkbenchError("no matching EC2 Instance found")
    instance = only(living, None)["InstanceId"]
    state = read_instance(cloud, instance, {}) or {}
    root = {"tags": {}, **(state.pop("rootBlockDevice") or {})}
    user_data = {name: state.pop(name, None) for name in ("userData", "userDataBase64")}
    return {
        **state,
        **(user_data if arguments.get("getUserData") else {}),
        "id": instance,
        "instanceId": instance,
        "instanceTags": state["tags"],
        "metadataOptions": [state["metadataOptions"]],
        "networkInterfaceId": state["primaryNetworkInterfaceId"],
        "rootBlockDevices": [root],
        "filters": arguments.get("filters"),
        "getPasswordData": False,
        "getUserData": arguments.get("getUserData", False),
    }


def _get_ami(cloud: Cloud, arguments: State) -> State:
    names = {
        "owners": "Owners",
        "executableUsers": "ExecutableUsers",
        "includeDeprecated": "IncludeDeprecated",
    }
    found = cloud.ec2.describe_images(Filters=filters(arguments, "tags"), **given(arguments, names))["Images"]
    if "nameRegex" in arguments:
        found = [image for image in found if re.search(arguments["nameRegex"], image.get("Name", ""))]
    newest = (lambda image: image["CreationDate"]) if arguments.get("mostRecent") else None
    image = only(found, newest)
    return {
        **arguments,
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "arn": f"arn:aws:ec2:{cloud.region}::image/{image['ImageId']}",
        "architecture": image["Architecture"],
        "creationDate": image["CreationDate"],
        "description": image.get("Description", ""),
        "name": image.get("Name", ""),
        "ownerId": image["OwnerId"],
        "imageOwnerAlias": image.get("ImageOwnerAlias", ""),
        "imageLocation": image.get("ImageLocation", ""),
        "imageType": image.get("ImageType", "machine"),
        "public": image.get("Public", False),
        "rootDeviceName": image.get("RootDeviceName", ""),
        "rootDeviceType": image.get("RootDeviceType", ""),
        "state": image["State"],
        "virtualizationType": image.get("VirtualizationType", ""),
        "tags": tag_map(image.get("Tags")),
    }


# ---- aws:ebs


def _get_volumes(cloud: Cloud, arguments: State) -> State:
    pages = cloud.ec2.get_paginator("describe_volumes").paginate(Filters=filters(arguments, "tags"))
    ids = [volume["VolumeId"] for page in pages for volume in page["Volumes"]]
    return {**arguments, "id": cloud.region, "ids": ids}


def _get_volume(cloud: Cloud, arguments: State) -> State:
    found = cloud.ec2.describe_volumes(Filters=filters(arguments, "tags"))["Volumes"]
    newest = (lambda volume: volume["CreateTime"]) if arguments.get("mostRecent") else None
    volume = only(found, newest)
    return {
        **arguments,
        "id": volume["VolumeId"],
        "volumeId": volume["VolumeId"],
        "arn": cloud.ec2_arn(f"volume/{volume['VolumeId']}"),
        "availabilityZone": volume["AvailabilityZone"],
        "createTime": volume["CreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "encrypted": volume["Encrypted"],
        "size": volume["Size"],
        "volumeType": volume["VolumeType"],
        "iops": volume.get("Iops", 0),
        "throughput": volume.get("Throughput", 0),
        "kmsKeyId": volume.get("KmsKeyId", ""),
        "snapshotId": volume.get("SnapshotId", ""),
        "multiAttachEnabled": volume.get("MultiAttachEnabled", False),
        "outpostArn": "",
        "tags": tag_map(volume.get("Tags")),
    }


INVOKES: dict[str, Invoke] = {
    "aws:ec2/getInstanceType:getInstanceType": _get_instance_type,
    "aws:ec2/getInstances:getInstances": _get_instances,
    "aws:ec2/getInstance:getInstance": _get_instance,
    "aws:ec2/getAmi:getAmi": _get_ami,
    "aws:ebs/getEbsVolumes:getEbsVolumes": _get_volumes,
    "aws:ebs/getVolume:getVolume": _get_volume,
}
