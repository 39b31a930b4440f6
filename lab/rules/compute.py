"""Instances: what must exist before one can be, and what may be done to one in which state."""

from moto.ec2.models.instance_types import INSTANCE_TYPES

from lab.rules.common import Facts, Refusal, Rule


def type_exists(facts: Facts) -> None:
    kind = (
        facts.call.get("InstanceType")
        or facts.call.get("InstanceType.Value")
        or _attribute(facts, "instanceType")
    )
    if kind and kind not in INSTANCE_TYPES:
        raise Refusal("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")


def image_exists(facts: Facts) -> None:
    image_id = facts.call.get("ImageId")
    if image_id and image_id not in facts.ec2.amis:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")


def key_exists(facts: Facts) -> None:
    name = facts.call.get("KeyName")
    if name and name not in facts.ec2.key_pairs:
        raise Refusal("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def image_fits_type(facts: Facts) -> None:
    """The architectures of image and type must agree, and this machine must be able to boot it."""
    image = facts.ec2.amis.get(facts.call.get("ImageId"))
    kind = facts.call.get("InstanceType") or "m1.small"
    if image is None or facts.call.get("LaunchTemplate.LaunchTemplateId"):
        return
    _same_architecture(kind, image.architecture, image.id)
    if image.architecture not in facts.architectures:
        raise Refusal(
            "Unsupported",
            f"The lab boots instances of this machine's architecture only ({', '.join(facts.architectures)}), "
            f"and {kind} with {image.id} is {image.architecture}.",
        )


def _same_architecture(kind: str, architecture: str, image_id: str) -> None:
    supported = INSTANCE_TYPES[kind]["ProcessorInfo"]["SupportedArchitectures"]
    if architecture not in supported:
        raise Refusal(
            "InvalidParameterValue",
            f"The architecture '{','.join(supported)}' of the specified instance type does not match the "
            f"architecture '{architecture}' of the specified AMI. Specify an instance type and an AMI that have "
            f"matching architectures, and try again. ({kind}, {image_id})",
        )


def groups_are_of_the_subnets_vpc(facts: Facts) -> None:
    subnet = facts.call.get("SubnetId") or facts.call.get("NetworkInterface.1.SubnetId")
    vpc = next(
        (s.vpc_id for zone in facts.ec2.subnets.values() for s in zone.values() if s.id == subnet), None
    )
    groups = facts.call.all("SecurityGroupId") + facts.call.all("NetworkInterface.1.SecurityGroupId")
    for group_id in groups:
        group = facts.ec2.get_security_group_from_id(group_id)
        if group is None:
            raise Refusal("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        if vpc and group.vpc_id != vpc:
            raise Refusal(
                "InvalidParameter",
                f"Security group {group_id} and subnet {subnet} belong to different networks.",
            )


def profile_exists(facts: Facts) -> None:
    name = facts.call.get("IamInstanceProfile.Name")
    arn = facts.call.get("IamInstanceProfile.Arn")
    if not name and not arn:
        return
    from moto.iam.models import iam_backends  # of the partition, not of the region

    profiles = iam_backends[facts.ec2.account_id]["aws"].instance_profiles.values()
    if not any(profile.name == name or profile.arn == arn for profile in profiles):
        raise Refusal(
            "InvalidParameterValue",
            f"Value ({name or arn}) for parameter iamInstanceProfile.{'name' if name else 'arn'} is invalid. "
            f"Invalid IAM Instance Profile {'name' if name else 'ARN'}",
        )


def instances_are_alive(facts: Facts) -> None:
    """Start, stop and reboot: not once it is terminated."""
    verb = facts.call.action.removesuffix("Instances").lower()
    for instance_id in facts.call.all("InstanceId"):
        instance = facts.instance(instance_id)
        wrong = {"terminated"} | ({"stopped"} if verb == "reboot" else set())
        if instance is not None and instance.state in wrong:
            raise Refusal(
                "IncorrectInstanceState",
                f"The instance '{instance_id}' is not in a state from which it can be {PAST[verb]}.",
            )


def there_is_capacity(facts: Facts) -> None:
    """AWS has no room for a type in the zone: what is made, and what was stopped and is to be started, is refused."""
    started = [facts.instance(instance_id) for instance_id in facts.call.all("InstanceId")]
    kinds = {instance.instance_type for instance in started if instance is not None}
    if facts.call.action == "RunInstances":
        kinds = {facts.call.get("InstanceType")}
    for kind in sorted(kinds & facts.without_capacity):
        raise Refusal(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested. Our system "
            "will be working on provisioning additional capacity.",
        )


def type_is_in_the_zone(facts: Facts) -> None:
    """Not every zone of a region has every type; that of the subnet is meant."""
    kind, subnet = facts.call.get("InstanceType"), facts.call.get("SubnetId")
    subnet = subnet or facts.call.get("NetworkInterface.1.SubnetId")
    zone = next((zone for zone, subnets in facts.ec2.subnets.items() if subnet in subnets), None)
    offered = [
        offer["Location"]
        for offer in facts.ec2.describe_instance_type_offerings(
            location_type="availability-zone", filters={"instance-type": [kind]}
        )
    ]
    if kind and zone and zone not in offered:
        raise Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
            "Please retry your request by not specifying an Availability Zone or choosing "
            f"{', '.join(sorted(offered))}.",
        )


PAST = {"start": "started", "stop": "stopped", "reboot": "rebooted"}


def _attribute(facts: Facts, name: str) -> str:
    """ModifyInstanceAttribute's older spelling: Attribute=instanceType, Value=..."""
    return facts.call.get("Value") if facts.call.get("Attribute") == name else ""


def changed_only_when_stopped(facts: Facts) -> None:
    """Type, user data and the like: the instance must be stopped."""
    call, instance = facts.call, facts.instance(facts.call.get("InstanceId"))
    wanted = any(
        f"{name}.Value" in call.parameters for name in ("InstanceType", "UserData", "Kernel", "EbsOptimized")
    )
    wanted = wanted or call.get("Attribute") in (
        "instanceType",
        "userData",
        "kernel",
        "ramdisk",
        "ebsOptimized",
    )
    if instance is not None and wanted and instance.state != "stopped":
        raise Refusal(
            "IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state."
        )


def new_type_has_the_architecture(facts: Facts) -> None:
    instance = facts.instance(facts.call.get("InstanceId"))
    kind = facts.call.get("InstanceType.Value") or _attribute(facts, "instanceType")
    if instance is not None and kind:
        _same_architecture(kind, instance.architecture, instance.image_id)


COMPUTE: dict[str, tuple[Rule, ...]] = {
    "RunInstances": (
        type_exists,
        image_exists,
        key_exists,
        image_fits_type,
        groups_are_of_the_subnets_vpc,
        profile_exists,
        type_is_in_the_zone,
        there_is_capacity,
    ),
    "StartInstances": (instances_are_alive, there_is_capacity),
    "StopInstances": (instances_are_alive,),
    "RebootInstances": (instances_are_alive,),
    "ModifyInstanceAttribute": (type_exists, changed_only_when_stopped, new_type_has_the_architecture),
}
