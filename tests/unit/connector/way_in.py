"""Comes to a host as a deploy does, and as `workbench ssh` does."""

import os
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State, StateStage

from connector.ssh import KEY, WorkbenchConnector
from tests.unit.connector.deploying import FACTS
from tests.unit.sshd import USER
from workbench import keys, stack
from workbench.outputs import Outputs

FAR = "203.0.113.9"  # RFC 5737: nothing answers there
LOCKED = r"The private key \S+ has a passphrase, and no ssh-agent has it: run `ssh-add \S+` first"


class Connector(WorkbenchConnector):
    """The deploy's own; its lock is the test's."""

    lock: ClassVar[str] = ""


def connects(tmp_path: Path, address: str, key: keys.Key | None, **data: Any) -> None:
    """Connects as a deploy does, as this user. Raises PyinfraError where it does not get in."""
    way: dict[str, Any] = {
        "ssh_hostname": address,
        "ssh_user": USER,
        "ssh_config_file": os.devnull,
        "ssh_known_hosts_file": str(tmp_path / "known_hosts"),
        "ssh_strict_host_key_checking": "accept-new",
        **data,
    }
    if key is not None:
        way |= {"ssh_key": str(key.file)} if key.file else {KEY: key.fingerprint}
    Path(way["ssh_known_hosts_file"]).touch()
    inventory = Inventory((["@ssh/host"], {}), override_data=way)
    host = inventory.get_host("@ssh/host")
    Connector.lock = str(tmp_path / "lock")
    host.connector_cls = Connector
    state = State(inventory, Config(), check_for_changes=False)
    try:
        state.set_stage(StateStage.Connect)
        connect_all(state)
    finally:
        disconnect_all(state)


def public(path: Path) -> str:
    return path.with_name(f"{path.name}.pub").read_text()


def facts_of(address: str = "127.0.0.1") -> Outputs:
    return Outputs.model_validate({**FACTS, "address": address, "hostName": address})


def ssh(facts: Outputs, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*stack.ssh_command(facts), *command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
