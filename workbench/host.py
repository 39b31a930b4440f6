"""What both sides take for granted of the host: infra seeds it at the first boot, and the deploy finds it so."""

import re

from workbench.outputs import ADMIN
from workbench.stack import short_name

SSH_PORT = 22

# Not under /home, which the data volume's homes are mounted over: getting in must not need that volume.
ADMIN_HOME = f"/var/lib/{ADMIN}"


def host_name(stack: str) -> str:
    """A name for the host as RFC 1123 takes it, from a stack's name such as "prod" or "organization/project/prod"."""
    label = re.sub(r"[^a-z0-9]+", "-", short_name(stack).lower()).strip("-")
    return f"workbench-{label}"[:63].rstrip("-")
