"""A whole workbench in a lab of the tests' own: made once a session by the ordinary command, purged at its end."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli.local import hash_of
from lab import control
from workbench import keys, stackfile
from workbench import stack as stacks
from workbench.outputs import Outputs
from workbench.settings import Settings
from workbench.stack import ROOT

STACK = "test"
HOME = ROOT / ".cache" / "test-lab"
BEGINNING = (
    "Beginning operation run"  # what pyinfra says once all is prepared and it is about to change something
)
FRONT = ("caddy.service", "jupyterhub.service")  # what a request for the hub's page goes through
OUTAGE_SECONDS = 3.0  # shorter is a busy machine, where the lab makes servers beside the one that is asked
PASSWORDS = {"ada": "correct horse battery", "grace": "a nanosecond is this long"}


def unable() -> str | None:
    """Why the lab cannot run here, or None."""
    if os.geteuid() != 0:
        return "the lab needs root"
    if sys.platform != "linux":
        return "the lab needs Linux"
    return None


@dataclass
class Workbench:
    """The workbench that runs, and the means to change and to visit it."""

    stack: str = STACK
    _outputs: Outputs | None = None

    @property
    def settings_now(self) -> Settings:
        """The settings, as the stack file has them at the moment."""
        return stacks.settings(self.stack)

    @property
    def declared_users(self) -> list[dict[str, Any]]:
        """The users, as the stack file declares them at the moment."""
        told: list[dict[str, Any]] = _config(stackfile.path_of(self.stack))["workbench:users"]
        return told

    @property
    def outputs(self) -> Outputs:
        """The cloud's facts, of which `pulumi` is asked once, and again after what may have changed them."""
        if self._outputs is None:
            self._outputs = stacks.outputs(self.stack)
        return self._outputs

    @property
    def url(self) -> str:
        return self.outputs.url

    @property
    def ca(self) -> Path:
        """The certificate of the workbench's own CA, fetched anew."""
        path = HOME / "ca.crt"
        path.write_text(self.ssh("cat /etc/workbench/ca.crt").stdout)
        return path

    def password(self, user: str) -> str:
        return PASSWORDS[user]

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`workbench ARGUMENTS --stack test`, its output kept."""
        if arguments[0] in {"up", "destroy", "rebuild", "restore"}:
            self._outputs = None
        return run([sys.executable, "-m", "cli", *arguments, "--stack", self.stack], check=check)

    def ssh(self, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a shell command on the host as root."""
        remote = [*stacks.ssh_command(self.outputs), f"sudo bash -c {shlex.quote(command)}"]
        return run(remote, check=check)

    def starts(self, unit: str) -> int:
        """How often a unit has been started since the host booted (SD_MESSAGE_UNIT_STARTED of the journal)."""
        started = f"journalctl -b -q -o cat UNIT={unit} MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"
        return len(self.ssh(started).stdout.splitlines())

    def apply(self, changes: Mapping[str, Any] | None = None) -> "Applied":
        """Runs the deploy by plain pyinfra; `changes` are settings to write into the stack file first.

        A changed section keeps those of its keys that are not named; a value of None takes a key out.
        """
        path = stackfile.path_of(self.stack)
        before = _config(path)
        for key, value in (changes or {}).items():
            stackfile.set_value(path, key, merged(before.get(f"workbench:{key}"), value))
        done = run(
            [sys.executable, "-m", "pyinfra", "-y", "deploy/inventory.py", "deploy/main.py"], check=False
        )
        return Applied(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def settings(self, **changes: Any) -> Iterator["Applied"]:
        """Applies changed settings, and the ones from before once the block is left.

        Where they were refused before anything was changed on the host, there is nothing to put back there.
        """
        path = stackfile.path_of(self.stack)
        before = path.read_text()
        applied = None
        try:
            applied = self.apply(changes)
            yield applied
        finally:
            path.write_text(before)
            if applied is None or not applied.refused:
                self.apply().require()


def _config(path: Path) -> dict[str, Any]:
    """The section `config:` of a stack file."""
    read: dict[str, Any] = YAML(typ="safe").load(path.read_text())["config"]
    return read


def merged(old: Any, new: Any) -> Any:
    """`new`, and what only `old` has where both are sections."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    both = {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return {key: value for key, value in both.items() if value is not None}


@dataclass(frozen=True)
class Applied:
    """How a run of pyinfra ended: its status, and all that it printed."""

    status: int
    output: str

    @property
    def refused(self) -> bool:
        """Whether it failed before the first operation, with the host as it was."""
        return self.status != 0 and BEGINNING not in self.output

    def require(self) -> None:
        """Fails, with all that was printed, where the run failed."""
        assert self.status == 0, self.output

    @property
    def changed(self) -> list[str]:
        """The operations that changed something, by name, in pyinfra's order."""
        found = []
        for line in re.sub(r"\x1b\[[0-9;]*m", "", self.output).splitlines():
            # operation, hosts, success, error, no change: a success is a change
            match = re.match(r"\s+(.+?)\s{2,}(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", line)
            if match and match[3].isdigit() and "total" not in match[1].lower():
                found.append(match[1].strip())
        return found


def write_stack_file(stack: str, environment: Mapping[str, str], **changes: Any) -> Path:
    """The stack file of a workbench in the lab of these variables; gives back its path."""
    region = environment["AWS_REGION"]
    key = Path(environment[keys.KEY_VARIABLE] + ".pub").read_text().strip()
    settings = {
        "size": "t3.medium",
        "zone": f"{region}a",
        "rootVolumeGib": 20,
        "dataVolumeGib": 4,
        "sshFrom": ["127.0.0.0/8"],
        "adminSshKeys": [key],
        "users": [
            {"name": "ada", "admin": True, "passwordHash": hash_of(PASSWORDS["ada"])},
            {"name": "grace", "passwordHash": hash_of(PASSWORDS["grace"]), "sshKeys": [key]},
        ],
        # Posit's package cannot be downloaded everywhere: test_rstudio.py switches its stand-in on.
        "services": {"rstudio": {"enabled": False}},
        **changes,
    }
    config = {"aws:region": region, **{f"workbench:{name}": value for name, value in settings.items()}}
    path = stackfile.path_of(stack)
    with path.open("w") as file:
        YAML().dump({"config": config}, file)
    return path


def let_the_volume_change_again() -> None:
    """AWS lets a volume change once in six hours: so much is the lab's clock ahead from now on."""
    now = datetime.fromisoformat(control.clock()["now"])
    control.clock((now + timedelta(hours=7)).isoformat())


@contextmanager
def lab(home: Path) -> Iterator[dict[str, str]]:
    """A lab of the tests' own, as its variables; what an earlier, killed run left there is cleared first."""
    with _at(home):
        control.purge()
    try:
        with _at(home):
            control.start(lambda line: print(line, flush=True))
            environment = control.environment()
        yield {**environment, "WORKBENCH_LAB_DIR": str(home)}
    finally:
        with _at(home):
            control.purge()


@contextmanager
def _at(home: Path) -> Iterator[None]:
    """lab.control works on this home; around it the environment is another lab's, or none's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_LAB_DIR", str(home))
        yield


def run(command: list[str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project's root; with `check`, fails with all that it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done


def resources() -> dict[str, Any]:
    """What the stack's state holds, by URN's last two parts.

    Left out is what another run may write otherwise though nothing changed: from which line of a program each came, the
    engine's entries of its providers, how a secret was encrypted, and in which order each names what it needs.
    """
    exported = run(["pulumi", "stack", "export", "--stack", STACK]).stdout
    told = json.loads(re.sub(r'("ciphertext": )"[^"]*"', r'\1""', exported))
    held = {item["urn"].split("::", 2)[2]: item for item in told["deployment"]["resources"]}
    for item in held.values():
        item["dependencies"] = sorted(item.get("dependencies", ()))
        needed = item.get("propertyDependencies", {})
        item["propertyDependencies"] = {name: sorted(urns) for name, urns in needed.items()}
        for traced in ("sourcePosition", "stackTrace", "provider"):
            item.pop(traced, None)
    return {urn: item for urn, item in held.items() if not item["type"].startswith("pulumi:providers:")}
