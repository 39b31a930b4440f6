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


def image_id(architecture: str, release: str = RELEASE) -> str:
    """The same id in every lab: ami-0 and sixteen digits of its name."""
    return "ami-0" + hashlib.sha256(image_name(architecture, release).encode()).hexdigest()[:16]


def image_name(architecture: str, release: str = RELEASE) -> str:
    return f"debian-13-{architecture}-{release}"


def images(ec2: Any) -> None:
    """Make the Debian 13 images the only ones of others that the EC2 backend knows: the lab boots no others."""
    ours = {id_ for id_, image in ec2.amis.items() if (image.name or "").startswith("debian-13-")}
    ours |= {id_ for id_, image in ec2.amis.items() if image.owner_id == ec2.account_id}  # lab/images.py
    for others in set(ec2.amis) - ours:
        ec2.amis.pop(others)
    for snapshot in [one for one in ec2.snapshots.values() if one.from_ami and one.from_ami not in ours]:
        ec2.snapshots.pop(snapshot.id)
    _images_of(ec2, RELEASE)


def _images_of(ec2: Any, release: str) -> None:
    for debian, aws in ARCHITECTURES.items():
        id_, name = image_id(debian, release), image_name(debian, release)
        if id_ not in ec2.amis:
            ec2.amis[id_] = Ami(
                ec2, id_, name=name, description=f"Debian 13 ({release})",
                owner_id=DEBIAN, public=True, architecture=aws, virtualization_type="hvm", hypervisor="xen",
                root_device_type="ebs", root_device_name=ROOT_DEVICE, image_location=f"amazon/{name}",
                region_name=f"{ec2.region_name}a", creation_date=utcnow(),
            )  # fmt: skip


def parameters(ssm: Any) -> None:
    """Make /aws/service/debian/release/13/latest/<architecture> known to the SSM backend, unless it is."""
    for debian in ARCHITECTURES:
        if not _versions(ssm, debian):
            _point(ssm, debian, RELEASE)


def publish(ec2: Any, ssm: Any, release: str) -> bool:
    """Debian has published a release: its images are there beside the older ones, and the parameters name them.

    Whether anything is changed by that.
    """
    named = [versions[-1].value for debian in ARCHITECTURES for versions in _versions(ssm, debian)]
    if named == [image_id(debian, release) for debian in ARCHITECTURES]:
        return False
    _images_of(ec2, release)
    for debian in ARCHITECTURES:
        _point(ssm, debian, release)
    return True


def _parameter(debian: str) -> str:
    return f"/aws/service/debian/release/13/latest/{debian}"


def _versions(ssm: Any, debian: str) -> list[Any]:
    """The parameter's versions as one list, none where it is not there."""
    found = dict.get(ssm._parameters, _parameter(debian))
    return [found] if found else []


def _point(ssm: Any, debian: str, release: str) -> None:
    # put_parameter refuses the reserved prefix, as AWS does.
    parameter = cast(Any, Parameter)(  # typed as abstract, which it is not
        account_id=DEBIAN, name=_parameter(debian), value=image_id(debian, release), parameter_type="String",
        description=None, allowed_pattern=None, keyid=None, last_modified_date=utcnow(), version=1,
        data_type="aws:ec2:image",
    )  # fmt: skip
    dict.__setitem__(ssm._parameters, _parameter(debian), [parameter])


def policies(iam: Any) -> None:
    """AWS's own policies that the program names; moto knows all of them, and takes seconds to load them."""
    known = {policy.name for policy in iam.aws_managed_policies}
    for name in [name for name in MANAGED_POLICIES if name not in known]:
        data = json.loads(aws_managed_policies_data)[name]
        policy = AWSManagedPolicy.from_data(name, iam.account_id, iam.region_name, data)
        iam.aws_managed_policies.append(policy)
        iam.managed_policies[policy.arn] = policy
