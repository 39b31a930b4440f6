"""The firewall: one security group, and one rule resource a rule, so that a change touches only its own rule."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming


@dataclass(frozen=True)
class FirewallArgs:
    """What may come in. Everything may go out: packages, mirrors, certificate authorities."""

    owner: naming.Owner
    vpc_id: pulumi.Input[str]
    inbound: list[naming.Rule]


class Firewall(pulumi.ComponentResource):
    """A security group with its rules."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            "group",
            # neither of them can change later, so that neither holds the stack's name, which can
            name=f"{naming.PROJECT}-{args.owner.id}",
            vpc_id=args.vpc_id,
            description="firewall of the workbench",
            tags=args.owner.tags("firewall"),
            opts=child,
        )
        rules: list[pulumi.Resource] = [
            aws.vpc.SecurityGroupIngressRule(
                rule.name,
                security_group_id=group.id,
                ip_protocol="tcp",
                from_port=rule.port,
                to_port=rule.port,
                cidr_ipv4=rule.cidr,
                description=rule.name,
                tags=args.owner.tags(f"rule-{rule.name}"),
                opts=child,
            )
            for rule in args.inbound
        ]
        rules.append(
            aws.vpc.SecurityGroupEgressRule(
                "out",
                security_group_id=group.id,
                ip_protocol="-1",
                cidr_ipv4="0.0.0.0/0",
                description="everything out",
                tags=args.owner.tags("rule-out"),
                opts=child,
            )
        )
        self.group_id = group.id
        self.rules = rules
        self.register_outputs({"groupId": group.id})
