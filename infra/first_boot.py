"""User data: what cloud-init does on the first boot, so that the deploy can get in. No secret is in it."""

import json

from workbench.host import ADMIN_HOME, host_name
from workbench.outputs import ADMIN


def user_data(stack: str, admin_keys: list[str]) -> str:
    """A cloud-config document (JSON is YAML): host name, the administrator, and no root or password logins."""
    document = {
        "hostname": host_name(stack),
        "manage_etc_hosts": True,  # a name that does not resolve makes every sudo wait for DNS
        "users": [
            {
                "name": ADMIN,
                "gecos": "Administrator of the workbench",
                "homedir": ADMIN_HOME,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": admin_keys,
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
    }
    return "#cloud-config\n" + json.dumps(document, indent=2) + "\n"
