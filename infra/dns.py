"""The name: A and CAA records in the Route 53 zone of the domain."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming


@dataclass(frozen=True)
class HostedZone:
    """A zone that exists: `ours` when this stack made it (by its tags)."""

    zone_id: str
    ours: bool


@dataclass(frozen=True)
class DnsArgs:
    """The name and the address that it is to have; `zone` is the zone that there is, None to make one."""

    stack: str
    domain: str
    address: pulumi.Input[str]
    zone: HostedZone | None
    authority: str | None
    """Who alone may issue certificates for the name (RFC 8659); None leaves that open."""


def find_zone(stack: str, domain: str, create: bool) -> HostedZone | None:
    """The one public zone that holds `domain`, or None where one is to be made.

    Raises RunError where there is none and none was asked for, or where two have the same name.
    """
    for candidate in [domain] if create else naming.candidate_zones(domain):
        zone = _named(candidate, domain)
        if zone is not None:
            ours = zone.tags.get("Stack") == stack and zone.tags.get("Project") == naming.PROJECT
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


def _named(name: str, domain: str) -> aws.route53.GetZoneResult | None:
    """The one public zone of that name, None where there is none. Raises RunError where there are several."""
    try:
        return aws.route53.get_zone(name=name, private_zone=False)
    except Exception as error:  # the provider's own words are all that tells these from a refusal of AWS's
        if "no matching Route 53 Hosted Zone" in str(error):
            return None
        if "multiple Route 53 Hosted Zones" not in str(error):
            raise
    zones = [aws.route53.get_zone(zone_id=zone_id) for zone_id in aws.route53.get_zones().ids]
    ids = sorted(zone.zone_id for zone in zones if zone.name.rstrip(".") == name and not zone.private_zone)
    raise pulumi.RunError(
        f"workbench:domain is {domain!r}, and {len(ids)} Route 53 zones are named {name} ({', '.join(ids)}); "
        "delete the one that your registrar does not delegate to."
    )


class Dns(pulumi.ComponentResource):
    """The zone (when asked for) and the records."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Dns", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        zone_id: pulumi.Input[str]
        self.name_servers: pulumi.Output[list[str]] | None = None
        if args.zone is None or args.zone.ours:
            zone = aws.route53.Zone(
                "zone",
                name=args.domain,
                comment=f"{naming.PROJECT} {args.stack}",
                tags=naming.tags(args.stack, "zone"),
                # Its name servers are delegated to by hand: it outlives the server, as the data volume does.
                opts=pulumi.ResourceOptions(
                    parent=self, protect=True, import_=args.zone.zone_id if args.zone else None
                ),
            )
            zone_id = zone.zone_id
            self.name_servers = pulumi.Output.from_input(zone.name_servers).apply(list)
        else:
            zone_id = args.zone.zone_id
        aws.route53.Record(
            "a", zone_id=zone_id, name=args.domain, type="A", ttl=60, records=[args.address], opts=child
        )
        if args.authority is not None:
            aws.route53.Record(
                "caa",
                zone_id=zone_id,
                name=args.domain,
                type="CAA",
                ttl=3600,
                records=[f'0 issue "{args.authority}"'],
                opts=child,
            )
        self.register_outputs({})
