"""What an account has from the start: Debian's public images, and the public parameters that name them."""

import hashlib
import json
from typing import Any, cast

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy
from moto.ssm.models import Parameter

ACCOUNT = "123456789012"
REGION = "eu-west-1"
MANAGED_POLICIES = ("AWSDataLifecycleManagerServiceRole",)
DEBIAN = (
    "136693071363"  # the account that Debian publishes its images from (wiki.debian.org/Cloud/AmazonEC2Image)
)
RELEASE = "20261012-2263"
ROOT_DEVICE = "/dev/xvda"
# Debian's architecture -> EC2's.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


def image_id(architecture: str) -> str:
    """The same id in every lab: ami-0 and sixteen digits of its name."""
    return "ami-0" + hashlib.sha256(image_name(architecture).encode()).hexdigest()[:16]


def image_name(architecture: str) -> str:
    return f"debian-13-{architecture}-{RELEASE}"


def images(ec2: Any) -> None:
    """Make the Debian 13 images the only ones that the EC2 backend knows: the lab boots no others."""
    ours = {image_id(architecture) for architecture in ARCHITECTURES}
    for others in set(ec2.amis) - ours:
        ec2.amis.pop(others)
    for snapshot in [one for one in ec2.snapshots.values() if one.from_ami and one.from_ami not in ours]:
        ec2.snapshots.pop(snapshot.id)
    for debian, aws in ARCHITECTURES.items():
        if image_id(debian) not in ec2.amis:
            ec2.amis[image_id(debian)] = Ami(
                ec2, image_id(debian), name=image_name(debian), description=f"Debian 13 ({RELEASE})",
                owner_id=DEBIAN, public=True, architecture=aws, virtualization_type="hvm", hypervisor="xen",
                root_device_type="ebs", root_device_name=ROOT_DEVICE, image_location=f"amazon/{image_name(debian)}",
                region_name=f"{ec2.region_name}a", creation_date=utcnow(),
            )  # fmt: skip


def parameters(ssm: Any) -> None:
    """Make /aws/service/debian/release/13/latest/<architecture> known to the SSM backend, unless it is."""
    for debian in ARCHITECTURES:
        name = f"/aws/service/debian/release/13/latest/{debian}"
        if not dict.get(ssm._parameters, name):
            # put_parameter refuses the reserved prefix, as AWS does.
            parameter = cast(Any, Parameter)(  # typed as abstract, which it is not
                account_id=DEBIAN, name=name, value=image_id(debian), parameter_type="String", description=None,
                allowed_pattern=None, keyid=None, last_modified_date=utcnow(), version=1, data_type="aws:ec2:image",
            )  # fmt: skip
            dict.__setitem__(ssm._parameters, name, [parameter])


def policies(iam: Any) -> None:
    """AWS's own policies that the program names; moto knows all of them, and takes seconds to load them."""
    known = {policy.name for policy in iam.aws_managed_policies}
    for name in [name for name in MANAGED_POLICIES if name not in known]:
        data = json.loads(aws_managed_policies_data)[name]
        policy = AWSManagedPolicy.from_data(name, iam.account_id, iam.region_name, data)
        iam.aws_managed_policies.append(policy)
        iam.managed_policies[policy.arn] = policy
