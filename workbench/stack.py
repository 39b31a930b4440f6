"""A stack's settings and facts, as the deploy and the command need them: asked of `pulumi`, or handed over in a file.

During `pulumi up` the outputs are not final yet, and `workbench deploy` knows them before pyinfra has started: both
hand them over in a file that WORKBENCH_CONTEXT names, which is a pipe (connector/configure.py). Everybody else asks
the `pulumi` command, which decrypts what is secret.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench import ROOT as ROOT  # the tests put another one here
from workbench import config, images, keys, openssh
from workbench.errors import WorkbenchError
from workbench.faults import NAMESPACE
from workbench.outputs import ADMIN, Outputs
from workbench.settings import Settings

CONTEXT_VARIABLE = "WORKBENCH_CONTEXT"
NOTED = "outputs.json"
ANSWER_SECONDS = 300  # a large state in a bucket that is far away takes some


@dataclass(frozen=True)
class Context:
    """All that a deploy needs to know."""

    settings: Settings
    outputs: Outputs


def short_name(stack: str) -> str:
    """A stack's own name, which its files are named after: prod of prod, of project/prod and of owner/project/prod."""
    return stack.rpartition("/")[2]


def require_pulumi() -> None:
    """Raises WorkbenchError where there is no `pulumi` command."""
    if shutil.which("pulumi") is None:
        raise WorkbenchError(
            "There is no `pulumi` command on the PATH: run `make setup`, then `. .venv/bin/activate`."
        )


class Question:
    """A `pulumi` command; it has been started, so that others can be asked meanwhile."""

    def __init__(self, *arguments: str, stack: str | None = None) -> None:
        """Starts `pulumi ARGUMENTS`. Raises WorkbenchError where there is no such command."""
        require_pulumi()
        self._asked = " ".join(argument for argument in arguments if argument != "--json")
        self._process = subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", *(("--stack", stack) if stack else ())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> Any:
        """What it says in JSON. Raises WorkbenchError with its last line where it fails."""
        return json.loads(self.said())

    def said(self) -> str:
        """What it prints. Raises WorkbenchError with its last line where it fails."""
        try:
            out, err = self._process.communicate(timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise WorkbenchError(
                f"`pulumi {self._asked}` did not end within {ANSWER_SECONDS // 60} minutes; is its backend to be "
                "reached (`pulumi whoami -v`)?"
            ) from None
        if self._process.returncode != 0:
            said = [line for line in (err or out).splitlines() if line.strip()]
            raise WorkbenchError(f"`pulumi {self._asked}` failed: {said[-1] if said else 'it said nothing'}")
        return out


def pulumi(*arguments: str, stack: str | None = None) -> Any:
    """What `pulumi ARGUMENTS --json` answers. Raises WorkbenchError."""
    return Question(*arguments, "--json", stack=stack).answer()


def settings(stack: str | None = None) -> Settings:
    """The settings of a stack (of the selected one unless named). Raises SettingsError."""
    return config.parse(_values(pulumi("config", "--show-secrets", stack=stack)))


def _values(entries: Mapping[str, Any]) -> dict[str, object]:
    """Our part of a stack's config as its program gets it: text for each key, JSON where it is more than that.

    Of what is the provider's, keys to the account among it, nothing is handed on.
    """
    return {key: entry.get("value") for key, entry in entries.items() if key.startswith(f"{NAMESPACE}:")}


@dataclass(frozen=True)
class AwsConfig:
    """Where and as whom a stack is on AWS; what is empty is left to the variables AWS_*, and to boto3's own search."""

    region: str | None
    profile: str | None
    credentials_files: tuple[str, ...] = ()
    config_files: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)
    """The id of an access key, its secret, and the token of a session where there is one."""
    web_identity: Mapping[str, Any] | None = field(default=None, repr=False)
    roles: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


def aws_config(stack: str | None = None) -> AwsConfig:
    """The stack's `aws:` keys that the provider goes by. Raises WorkbenchError."""
    entries = pulumi("config", stack=stack)
    if any(entry.get("secret") for key, entry in entries.items() if key.startswith("aws:")):
        entries = pulumi("config", "--show-secrets", stack=stack)

    return access(lambda key: entries.get(f"aws:{key}", {}).get("value"))


def access(told: Callable[[str], Any]) -> AwsConfig:
    """The same of a config that is `told` by its keys, without their `aws:`. Raises WorkbenchError."""

    def listed(key: str) -> Any:
        """What is a section or a list in the file comes as JSON."""
        try:
            return json.loads(told(key) or "null")
        except ValueError:
            raise WorkbenchError(f"aws:{key} in the stack's config is no list and no section.") from None

    roles = listed("assumeRoles") or [one for one in [listed("assumeRole")] if one]  # the latter before 7.0
    web_identity = listed("assumeRoleWithWebIdentity")
    keys = [told(key) for key in ("accessKey", "secretKey", "token")]
    return AwsConfig(
        told("region"),
        told("profile"),
        tuple(listed("sharedCredentialsFiles") or ()),
        tuple(listed("sharedConfigFiles") or ()),
        tuple(key for key in keys if key) if keys[0] and keys[1] else (),
        web_identity,
        tuple(roles),
    )


def outputs(stack: str | None = None) -> Outputs:
    """The outputs of a stack that is up. Raises WorkbenchError where there is no server."""
    return _outputs(pulumi("stack", "output", "--show-secrets", stack=stack))


def resources_in(exported: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The resources in an exported state; none in that of a stack that was never made."""
    return list((exported.get("deployment") or {}).get("resources") or ())


def outputs_in(exported: Mapping[str, Any]) -> Outputs | None:
    """The outputs in an exported state; None where there is no server, or was none yet."""
    for resource in resources_in(exported):
        if resource["type"] == "pulumi:pulumi:Stack":
            with contextlib.suppress(WorkbenchError):
                return _outputs(resource.get("outputs") or {})
    return None


def _outputs(values: Any) -> Outputs:
    """Raises WorkbenchError where they are not those of a stack that is up."""
    try:
        return Outputs.model_validate(values)
    except ValidationError:
        raise WorkbenchError(
            "This stack has no server at present; `workbench up` (or `pulumi up`) makes one."
        ) from None


def context(stack: str | None = None) -> Context:
    """Settings and outputs: from the file that WORKBENCH_CONTEXT names, else from `pulumi`."""
    handed = os.environ.get(CONTEXT_VARIABLE)
    return read(Path(handed).read_text() if handed else ask(stack))


def ask(stack: str | None = None) -> str:
    """What `pulumi` says of a stack, as it is handed on: JSON of {"config": {key: text}, "outputs": {name: value}}.

    It has password hashes in it.
    """
    entries = Question("config", "--show-secrets", "--json", stack=stack)
    values = Question("stack", "output", "--show-secrets", "--json", stack=stack)
    return json.dumps({"config": _values(entries.answer()), "outputs": values.answer()})


def read(told: str) -> Context:
    """The Context in what `ask` gives, or infra/program.py. Raises WorkbenchError."""
    data = json.loads(told)
    return Context(config.parse(data["config"]), _outputs(data["outputs"]))


def known_hosts(facts: Outputs) -> Path:
    """Where this machine remembers the server's host keys: a file for each server, so that a rebuilt one is new.

    Not among the notes on the stack, which can be renamed.
    """
    path = _known_hosts(facts.instance_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _known_hosts(instance_id: str) -> Path:
    return ROOT / ".workbench" / "known_hosts" / instance_id


def host_key_checking(facts: Outputs) -> str:
    """What ssh_config(5) calls StrictHostKeyChecking: a server is taken at its word once, while nothing is known of it.

    That is at the first connection to a new server, which `pulumi up` makes as soon as it answers. From then on only
    its known keys will do. (accept-new, which is enough for one key, would learn further types of key later.)
    """
    known = known_hosts(facts)
    return "yes" if known.exists() and known.read_text().strip() else "accept-new"


def facts_memory(name: str) -> Path:
    """Where this machine remembers what the last deploy of a stack asked its server (connector)."""
    return state_folder(name) / "facts.json"


def note_outputs(facts: Outputs) -> None:
    """Notes them, for `noted_outputs`; the server that the stack had before is no more."""
    before = noted_outputs(facts.stack)
    if before is not None and before.instance_id != facts.instance_id:
        _known_hosts(before.instance_id).unlink(missing_ok=True)
    (state_folder(facts.stack) / NOTED).write_text(facts.model_dump_json(by_alias=True))


def noted_outputs(stack: str) -> Outputs | None:
    """The outputs that this machine's last deploy had, known at once; they may be those of a server that is no more."""
    try:
        return Outputs.model_validate_json((_folder(stack) / NOTED).read_text())
    except (OSError, ValueError):
        return None


def state_folder(stack: str) -> Path:
    """This machine's own notes on a stack, the last deploy's log and questions; none is needed again."""
    folder = _folder(stack)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _folder(stack: str) -> Path:
    return ROOT / ".workbench" / short_name(stack)


def forget(stack: str) -> None:
    """Removes what this machine keeps of a stack that is no more: its stack file and our own notes."""
    (ROOT / f"Pulumi.{short_name(stack)}.yaml").unlink(missing_ok=True)
    forget_notes(images.builder_of(short_name(stack)))
    forget_notes(stack)
    (ROOT / "pyinfra-debug.log").unlink(missing_ok=True)  # pyinfra's own, where it met what it did not expect
    with contextlib.suppress(OSError):  # others may have their notes there
        (ROOT / ".workbench" / "known_hosts").rmdir()
    with contextlib.suppress(OSError):
        (ROOT / ".workbench").rmdir()


def forget_notes(name: str) -> None:
    """Removes our notes that are kept under a name, and what is known of that server's host keys."""
    noted = noted_outputs(name)
    if noted is not None:
        _known_hosts(noted.instance_id).unlink(missing_ok=True)
    shutil.rmtree(_folder(name), ignore_errors=True)


def ssh_command(facts: Outputs) -> list[str]:
    """The ssh command line up to where a remote command may follow."""
    key = keys.named()
    options = {
        **({"IdentityFile": openssh.quoted(key), "IdentitiesOnly": "yes"} if key else {}),
        "UserKnownHostsFile": openssh.quoted(known_hosts(facts)),
        "StrictHostKeyChecking": host_key_checking(facts),
        "HostKeyAlias": facts.address,  # what it is known by, whatever ~/.ssh/config makes of the address
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
    }
    written = [part for keyword, value in options.items() for part in ("-o", f"{keyword}={value}")]
    return ["ssh", *written, f"{ADMIN}@{facts.address}"]
