"""The server: Debian, its address, and the data volume attached to it."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.first_boot import user_data
from infra.machine_type import MachineType
from infra.naming import Owner
from workbench import servers, volumes
from workbench.versions import debian_parameter


@dataclass(frozen=True)
class ServerArgs:
    """What the server is made of: root disk in GiB, ids of what it stands in, keys of its administrator."""

    owner: Owner
    machine: MachineType
    image: str | None  # None: Debian's own
    root_volume_gib: int
    subnet_id: pulumi.Input[str]
    group_id: pulumi.Input[str]
    key_name: pulumi.Input[str]
    profile_name: pulumi.Input[str]
    volume_id: pulumi.Input[str]
    admin_keys: list[str]
    keep_address: bool  # also when the server goes
    alone: bool  # without address and data volume, which the server that it is to replace has still
    after: list[pulumi.Resource]  # the way out and the firewall's rules, which the first boot needs


def image_of(architecture: str) -> str:
    """The id of the current Debian image."""
    return aws.ssm.get_parameter(name=debian_parameter(architecture)).value


class Server(pulumi.ComponentResource):
    """Instance, Elastic IP and attachment of the data volume. `ready` is what has to exist before configuring."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Server", name, None, opts)
        instance = self._instance(args)
        address = aws.ec2.Eip(
            "address",
            domain="vpc",
            tags=args.owner.tags("address"),
            # Protected, a destroy of all but what is protected leaves it in the state, for the next server. Not
            # retained: no data is on it, and one that no state knows would be paid for by mistake.
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep_address),
        )
        self.ready: list[pulumi.Resource] = [instance]
        if not args.alone:
            self.ready += self._joined(instance, address, args)
        self.instance_id = instance.id
        self.instance_arn = instance.arn
        self.address = address.public_ip
        self.register_outputs({"instanceId": instance.id, "address": address.public_ip})

    def _joined(
        self, instance: aws.ec2.Instance, address: aws.ec2.Eip, args: ServerArgs
    ) -> list[pulumi.Resource]:
        """Address and data volume, given to the instance."""
        association = aws.ec2.EipAssociation(
            "address",
            instance_id=instance.id,
            allocation_id=address.allocation_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        attachment = aws.ec2.VolumeAttachment(
            "data",
            instance_id=instance.id,
            volume_id=args.volume_id,
            device_name=volumes.DEVICE,
            # a mounted volume does not detach: the server stops first
            stop_instance_before_detaching=True,
            # a volume in use cannot be attached a second time
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        return [association, attachment]

    def _instance(self, args: ServerArgs) -> aws.ec2.Instance:
        server_tags = args.owner.tags(servers.SERVER)
        return aws.ec2.Instance(
            "server",
            ami=args.image or image_of(args.machine.architecture),
            instance_type=args.machine.name,
            subnet_id=args.subnet_id,
            vpc_security_group_ids=[args.group_id],
            key_name=args.key_name,
            iam_instance_profile=args.profile_name,
            user_data=user_data(args.owner.stack, args.admin_keys),
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            root_block_device={
                "encrypted": True,
                "volume_type": "gp3",
                "volume_size": args.root_volume_gib,
                "delete_on_termination": True,
                "tags": args.owner.tags("root"),
            },
            tags=server_tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=args.after,
                # What seeds only the first boot must never replace or restart a server: a newer image, another
                # key and other user data wait for the next server.
                ignore_changes=["ami", "userData", "keyName"],
                # the data volume can be attached to one server at a time
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m", delete="20m"),
            ),
        )
