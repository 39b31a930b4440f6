"""The server of the selected stack as pyinfra's inventory: `pyinfra deploy/inventory.py deploy/main.py`."""

import os as _os
import sys as _sys

_sys.dont_write_bytecode = (
    False  # pyinfra's choice; compiling deploy/ anew costs each run a sixth of a second
)

from connector import configure as _configure
from connector import process as _process
from connector import ssh as _ssh
from deploy import data as _data
from deploy import knownhosts as _knownhosts
from deploy.context import current as _current
from workbench import images as _images
from workbench import stack as _stack
from workbench import stackfile as _stackfile
from workbench import team as _team
from workbench.errors import WorkbenchError as _WorkbenchError
from workbench.outputs import ADMIN as _ADMIN


def _host() -> tuple[str, dict[str, object]]:
    context = _current()
    facts = context.outputs
    _team.locks(
        _stackfile.path_of(_images.stack_of(facts.stack)), context.settings
    )  # before anything is changed
    _data.require_made(context)
    route, key = _configure.way_in(context.settings.admin_ssh_keys, facts.address)
    if route.agent is not None:
        _os.environ["SSH_AUTH_SOCK"] = route.agent  # which paramiko asks
    known_hosts = _stack.known_hosts(facts)
    known_hosts.touch()  # paramiko warns of a file that is not there
    _knownhosts.reconcile(known_hosts, facts.address)
    data: dict[str, object] = {
        "ssh_hostname": facts.address,
        "ssh_user": _ADMIN,
        # What ~/.ssh/config has to say is in `route`, which ssh itself has read it for.
        "ssh_config_file": _os.devnull,
        "ssh_paramiko_connect_kwargs": {
            # ssh passes by those that are not there, paramiko ends at them
            "key_filename": [str(path) for path in route.identities if path.is_file()]
        },
        "ssh_allow_agent": route.agent is not None,
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_strict_host_key_checking": _stack.host_key_checking(facts),
        "ssh_connect_retries": 10,
        "ssh_connect_retry_min_delay": 0.5,
        "ssh_connect_retry_max_delay": 3,
        "workbench_memory": str(_stack.facts_memory(facts.stack)),
        "workbench_agent": _os.environ.pop(_process.AGENT, None),
        "_sudo": True,
    }
    if key is not None and key.file is not None:
        data["ssh_key"] = str(key.file)
    elif key is not None:
        data[_ssh.KEY] = key.fingerprint
    return f"@workbench/{facts.host_name}", data


try:
    hosts = [_host()]  # the one public name: pyinfra takes every public list for a group
except _WorkbenchError as _error:
    print(_error, file=_sys.stderr)
    _sys.exit(1)
