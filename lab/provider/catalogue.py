"""Every resource type that this provider knows, by its token."""

from __future__ import annotations

from lab.provider import dns, iam, machines, network, security, upkeep
from lab.provider.schema import ResourceType
from workbench.errors import WorkbenchError

_MODULES = (network, security, machines, iam, dns, upkeep)

TYPES: dict[str, ResourceType] = {kind.type: kind for module in _MODULES for kind in module.TYPES}


def of_urn(urn: str) -> tuple[ResourceType, str]:
    """The type and the name in a resource's URN (urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME)."""
    parts = urn.split("::", 3)
    token = parts[2].rpartition("$")[2]
    if token not in TYPES:
        raise WorkbenchError(f"the lab knows no resource type {token!r}; it knows {', '.join(sorted(TYPES))}")
    return TYPES[token], parts[3]
