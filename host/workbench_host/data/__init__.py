"""Access to data in S3 for the members of groups: short-lived credentials, given to who is entitled to them.

Programs of users find them as they find a container's on ECS or EKS ("container credential provider" of all AWS SDKs):
by two variables, after all that a user may have of their own (variables, ~/.aws), so that nothing of theirs is
overridden. Whose process asks, the kernel says (peers.py).
"""

import os
from collections.abc import Mapping

from workbench_host import tools

CONFIG = (
    f"{tools.CONFIG}/data.json"  # what is granted to whom, by the deploy; there where anything is granted
)
# IANA: "any private file service"; below 1024, so that no user can listen in its place.
ADDRESS, PORT = "127.0.0.1", 59
CONNECTIONS = 64  # of one user at a time, in the firewall too: many processes of a user ask at once
# No secret: who asks is known. It keeps out those who can make a program of a user's fetch an address, and no more.
AUTHORIZATION = "workbench"
TOKEN = f"{tools.CONFIG}/data-token"  # has it too, without an end of line
# The metadata service is root's. SDKs that ask it wait for seconds, once they have found nothing else.
WITHOUT_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}
WITH_DATA = {
    **WITHOUT_METADATA,
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ADDRESS}:{PORT}/",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": AUTHORIZATION,
    # What is written in Rust (object_store: polars without boto3, Delta Lake, LanceDB) knows EKS's way alone, a file.
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": TOKEN,
}


def environment() -> dict[str, str]:
    """What programs of users have in their environment, on this host."""
    return WITH_DATA if os.path.exists(CONFIG) else WITHOUT_METADATA


def renewed(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that began under earlier settings, as a user's lasting systemd did, with today's."""
    others = {name: value for name, value in variables.items() if WITH_DATA.get(name) != value}
    return {**others, **environment()}
