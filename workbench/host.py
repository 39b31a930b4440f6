"""What both sides take for granted of the host: infra seeds it at the first boot, and the deploy finds it so."""

import re

from workbench.outputs import ADMIN
from workbench.stack import short_name

SSH_PORT = 22
DATA_DEVICE = "/dev/sdf"  # how the data volume is attached; on the host it is Outputs.volume_device()

# Not under /home, which the data volume's homes are mounted over: getting in must not need that volume.
ADMIN_HOME = f"/var/lib/{ADMIN}"

LIBRARY = "/usr/local/lib/workbench"
PROGRAMS = f"{LIBRARY}/host"  # a link to those in use (deploy/programs.py)


def program_path(name: str) -> str:
    """One of our programs on the host, as a command."""
    return f"{PROGRAMS}/bin/{name}"


def host_name(stack: str) -> str:
    """A name for the host as RFC 1123 takes it, from a stack's name such as "prod" or "organization/project/prod"."""
    label = re.sub(r"[^a-z0-9]+", "-", short_name(stack).lower()).strip("-")
    return f"workbench-{label}"[:63].rstrip("-")
