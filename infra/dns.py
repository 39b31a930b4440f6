"""The name: A and CAA records in the Route 53 zone of the domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import lookups, naming


@dataclass(frozen=True)
class HostedZone:
    """A zone that exists: `ours` when this stack made it."""

    zone_id: str
    ours: bool


@dataclass(frozen=True)
class Domain:
    """The name to be given; `zone` is the zone that there is, None to make one."""

    name: str
    zone: HostedZone | None
    authority: str | None
    """Who alone may issue certificates for the name (RFC 8659); None leaves that open."""
    adopted: Mapping[str, str]
    """The ids of records that are this stack's already and that its state lacks, by type."""


@dataclass(frozen=True)
class DnsArgs:
    """Whose it is, the name, and the address that it is to have."""

    owner: naming.Owner
    domain: Domain
    address: pulumi.Input[str]


def find_zone(owner: naming.Owner, domain: str, create: bool) -> HostedZone | None:
    """The one public zone that holds `domain`, or None where one is to be made.

    Raises RunError where there is none and none was asked for, or where two have the same name.
    """
    for candidate in [domain] if create else naming.candidate_zones(domain):
        zone = lookups.zone(candidate)
        if zone is not None:
            # AWS makes a zone first, with its comment, and tags it afterwards
            ours = zone.tags.get("StackId") == owner.id or zone.comment == _comment(owner)
            if create and not ours:
                raise pulumi.RunError(
                    f"workbench:createZone is true, but a Route 53 zone {candidate} exists already "
                    f"({zone.zone_id}); remove createZone to use it."
                )
            return HostedZone(zone.zone_id, ours)
    if create:
        return None
    raise pulumi.RunError(
        f"workbench:domain is {domain!r}, but no Route 53 zone for it exists (looked for "
        f"{', '.join(naming.candidate_zones(domain))}); create the zone, or set workbench:createZone to true."
    )


def _comment(owner: naming.Owner) -> str:
    return f"{naming.PROJECT} {owner.id}"


class Dns(pulumi.ComponentResource):
    """The zone (when asked for) and the records."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Dns", name, None, opts)
        zone_id: pulumi.Input[str]
        self.name_servers: pulumi.Output[list[str]] | None = None
        if args.domain.zone is None or args.domain.zone.ours:
            zone = aws.route53.Zone(
                "zone",
                name=args.domain.name,
                comment=_comment(args.owner),
                tags=args.owner.tags("zone"),
                # Its name servers are delegated to by hand: it outlives the server, as the data volume does.
                opts=pulumi.ResourceOptions(
                    parent=self,
                    protect=True,
                    import_=args.domain.zone.zone_id if args.domain.zone else None,
                ),
            )
            zone_id = zone.zone_id
            self.name_servers = pulumi.Output.from_input(zone.name_servers).apply(list)
        else:
            zone_id = args.domain.zone.zone_id
        address = self._record(zone_id, args, "A", args.address, ttl=60)
        if args.domain.authority is not None:
            # Only ever beside an A record of ours: by that one it is known again.
            self._record(zone_id, args, "CAA", naming.caa(args.domain.authority), ttl=3600, after=[address])
        self.register_outputs({})

    def _record(
        self,
        zone_id: pulumi.Input[str],
        args: DnsArgs,
        kind: str,
        value: pulumi.Input[str],
        *,
        ttl: int,
        after: list[pulumi.Resource] | None = None,
    ) -> aws.route53.Record:
        return aws.route53.Record(
            kind.lower(),
            zone_id=zone_id,
            name=args.domain.name,
            type=kind,
            ttl=ttl,
            records=[value],
            opts=pulumi.ResourceOptions(parent=self, import_=args.domain.adopted.get(kind), depends_on=after),
        )
