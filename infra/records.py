"""The records that the domain's name has already: those of this stack are taken back, all others refused."""

import re
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra import naming
from infra.state import State

_RECORD, _ADDRESS = "aws:route53/record:Record", "aws:ec2/eip:Eip"


def judge(
    owner: naming.Owner, state: State, zone_id: str, domain: str, authority: str | None
) -> Mapping[str, str]:
    """The ids of this stack's own records of the name that its state lacks, by type; nothing is asked if it lacks none.

    Ours is an A record to the stack's address, and the CAA record beside it. Raises RunError where another is in the
    way: AWS would refuse it when the server is there already.
    """
    wanted = {"A", "CAA"} if authority is not None else {"A"}
    known = {kind for kind in wanted if _named(state, kind) == (zone_id, domain)}
    if known == wanted:
        return {}
    there = _present(zone_id, domain)
    ours = set(known)
    if "A" in known or ("A" in there and there["A"] == _address(owner, state)):
        ours.add("A")
        if authority is not None and there.get("CAA") == naming.caa(authority):
            ours.add("CAA")
    for kind in sorted(there.keys() & {"CNAME", *wanted} - ours):
        raise pulumi.RunError(
            f"workbench:domain is {domain!r}, but that name has a record of type {kind} already "
            f"({there[kind]}, in the Route 53 zone {zone_id}) that is not this stack's; delete it, or set "
            "another domain."
        )
    return {kind: f"{zone_id}_{domain}_{kind}" for kind in (ours & there.keys()) - known}


def _named(state: State, kind: str) -> tuple[str, str]:
    """Zone and name of a record in the state; empty ones where it has none."""
    zone_id, name = (state.value(_RECORD, kind.lower(), key) or "" for key in ("zoneId", "name"))
    return zone_id, name.rstrip(".")


def _present(zone_id: str, domain: str) -> dict[str, str]:
    """The values of each record set of the name, by its type."""
    found = aws.route53.get_records(zone_id=zone_id, name_regex=f"^{re.escape(domain)}\\.?$")
    return {
        item.type: ", ".join(record.value for record in item.resource_records or ()) or "an alias"
        for item in found.resource_record_sets
    }


def _address(owner: naming.Owner, state: State) -> str | None:
    """The address that the stack has, which a killed run may have left out of the state."""
    if state.knows(_ADDRESS, "address"):
        return str(state.value(_ADDRESS, "address", "publicIp"))
    found = [] if owner.fresh else aws.ec2.get_eips(tags=owner.found_by("address")).public_ips
    return found[0] if len(found) == 1 else None
