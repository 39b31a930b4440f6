"""Images of machines: what they may be made of, what may start from them, and how they go."""

from lab.images import Baked, sources
from lab.rules.common import Facts, Refusal, Rule


def is_stopped(facts: Facts) -> None:
    """AWS would restart one that runs; the lab's image is the machine's own file system."""
    instance = facts.instance(facts.call.get("InstanceId"))
    if instance is not None and instance.state != "stopped":
        raise Refusal(
            "UnsupportedOperation",
            f"The lab makes images of stopped instances only, and '{instance.id}' is {instance.state}.",
        )


def has_its_root_disk_alone(facts: Facts) -> None:
    """AWS takes all volumes that are attached, but those that the call leaves out (NoDevice)."""
    instance = facts.instance(facts.call.get("InstanceId"))
    mappings = facts.call.structures("BlockDeviceMapping")
    left_out = {mapping.get("DeviceName") for mapping in mappings if "NoDevice" in mapping}
    taken = set(instance.block_device_mapping) - {instance.root_device_name} - left_out if instance else set()
    if taken:
        raise Refusal(
            "UnsupportedOperation",
            f"The lab's images have a root disk alone; leave out {', '.join(sorted(taken))} with NoDevice.",
        )


def name_is_free(facts: Facts) -> None:
    name = facts.call.get("Name")
    for image in facts.ec2.amis.values():
        if image.owner_id == facts.ec2.account_id and image.name == name:
            raise Refusal("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")


def is_available(facts: Facts) -> None:
    image = facts.ec2.amis.get(facts.call.get("ImageId"))
    if image is not None and image.state != "available":
        raise Refusal("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is not available")


def has_its_snapshot(facts: Facts) -> None:
    image = facts.ec2.amis.get(facts.call.get("ImageId"))
    if isinstance(image, Baked) and image.ebs_snapshot.id not in facts.ec2.snapshots:
        raise Refusal("InvalidSnapshot.NotFound", f"The snapshot '{image.ebs_snapshot.id}' does not exist.")


def fits_the_root_disk(facts: Facts) -> None:
    image = facts.ec2.amis.get(facts.call.get("ImageId"))
    if not isinstance(image, Baked):
        return
    for mapping in facts.call.structures("BlockDeviceMapping"):
        size = mapping.get("Ebs.VolumeSize")
        if mapping.get("DeviceName") == image.root_device_name and size and int(size) < image.root_gib:
            raise Refusal(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}', expect size >= "
                f"{image.root_gib}GB",
            )


def is_no_images_machine(facts: Facts) -> None:
    """The lab alone: what it changed now would change in the image too."""
    for instance_id in facts.call.all("InstanceId"):
        if instance_id in sources(facts.ec2):
            raise Refusal(
                "UnsupportedOperation",
                f"An image was made of the instance '{instance_id}', whose file system it has in the lab: it can be "
                "terminated, and not started again.",
            )


IMAGES: dict[str, tuple[Rule, ...]] = {
    "CreateImage": (is_stopped, has_its_root_disk_alone, name_is_free),
    "RunInstances": (is_available, has_its_snapshot, fits_the_root_disk),
    "StartInstances": (is_no_images_machine,),
}
