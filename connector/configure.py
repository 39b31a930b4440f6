"""Runs the deploy: pyinfra as a process of its own, begun early, let loose when the server answers, and logged."""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector import link, memory, process
from workbench import config, keys, openssh, stack
from workbench.errors import WorkbenchError
from workbench.events import Display, ended
from workbench.outputs import ADMIN, Outputs

INVENTORY = "deploy/inventory.py"
BOOT_TIMEOUT = 300  # seconds; a first boot on a small type takes about a minute
PAUSE = 0.5  # seconds between two tries
PROXY_PAUSE = 5.0  # each try logs in to the jump host, which may take many logins for an attack
_LAST_LINES = 15
LOG, TIMING = "configure.log", "configure.json"


@dataclass(frozen=True)
class Extent:
    """How much of the deploy is to be done: of one service `only`, and nothing at all where it is `dry`."""

    only: str | None = None
    dry: bool = False

    @property
    def arguments(self) -> list[str]:
        """pyinfra's command line for it."""
        chosen = ["--data", f"only={self.only}"] if self.only else []
        return ["--dry" if self.dry else "-y", INVENTORY, "deploy/main.py", *chosen]


WHOLE = Extent()

# What of the project decides what the deploy does. What an editor or Python leaves there does not count;
# tests/unit/connector/test_configure_digest.py sees that none is missing.
_DECIDING = (
    ("deploy", "**/*.py"),
    ("deploy/locks", "**/*.txt"),
    ("deploy/locks", "**/*.json"),
    ("host", "**/*.py"),
    ("templates", "**/[!.#]*[!~]"),
    ("workbench", "*.py"),
    ("connector", "*.py"),
    ("workbench/settings", "*.py"),
)


def from_context(context: str) -> None:
    """Configures the host that `context` describes (JSON, as Configuration passes it). Raises WorkbenchError."""
    data = json.loads(context)
    facts = Outputs.model_validate(data["outputs"])
    with begun() as deploy:
        _require_key(data["config"], facts.address)
        wait_for_ssh(facts.address)
        deploy.reach(facts)
        deploy.hand_over(context, facts)
        deploy.end()


class Deploy:
    """A run of pyinfra, begun before it is known what it is to do."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._process = process.take(stack.ROOT)
        self._extent = WHOLE
        self._reached: Outputs | None = None
        self._facts: Outputs | None = None
        self._folder = Path()
        self._context = ""

    def reach(self, facts: Outputs | None) -> None:
        """Has the host read what the last deploy asked, while pyinfra still starts; once, and where all is known."""
        if facts is None or self._reached is not None or stack.host_key_checking(facts) != "yes":
            return
        questions = memory.load(stack.facts_memory(facts.stack))
        if questions:
            self._process.reach(stack.ssh_command(facts), questions)
            self._reached = facts

    def hand_over(self, context: str, facts: Outputs, extent: Extent = WHOLE) -> None:
        """Tells it what to configure (workbench.stack.read), and how to reach it. Its output goes to configure.log."""
        if self._reached not in {None, facts}:
            self._process.leave()  # it was another host's address
        self._extent, self._facts, self._folder = extent, facts, stack.state_folder(facts.stack)
        self._context = context
        stack.note_outputs(facts)
        _make_private(self._log)
        # No file in between: password hashes are in what is handed over.
        variables = {stack.CONTEXT_VARIABLE: self._process.further, "PYINFRA_PROGRESS": "off"}
        order = process.Order(extent.arguments, {**os.environ, **variables}, str(self._log))
        self._process.order(order, context)

    def end(self) -> Display:
        """Shows how it goes until it is through, and gives back what was shown.

        Raises WorkbenchError with what failed, the log's name and its last lines.
        """
        display = Display(self._extent.dry, self._began)
        for line in self._process.events():
            display.take(json.loads(line))
        status = self._process.wait()
        ended(display, status, str(self._log.relative_to(stack.ROOT)), self._reason())
        if not self._extent.dry:
            noted = {
                "ended": time.time(),
                "seconds": time.monotonic() - self._began,
                "services": display.seconds_of_services(),
            }
            (self._folder / TIMING).write_text(json.dumps(noted))
        return display

    def _reason(self) -> str:
        reason = _reason(self._log)
        if "Authentication error" in reason and self._facts is not None:
            accepted = stack.read(self._context).settings.admin_ssh_keys
            wrong = [
                *keys.not_accepted(accepted),
                *keys.unusable(openssh.route(ADMIN, self._facts.address)),
            ]
            reason = " ".join([reason, *wrong])
        return reason

    def stop(self) -> None:
        """Ends it where it was not handed anything, or where it is no longer wanted."""
        self._process.stop()

    @property
    def _log(self) -> Path:
        return self._folder / LOG


@contextlib.contextmanager
def begun() -> Iterator[Deploy]:
    """A deploy that has begun, for as long as it is wanted."""
    deploy = Deploy()
    try:
        yield deploy
    finally:
        deploy.stop()


def _reason(log: Path) -> str:
    """What a log of pyinfra ends with, without a terminal's colours: its own complaint, or the last lines."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    complaint = re.search(r"^--> (?:pyinfra error|An unexpected exception).*?: (.+)", text, re.MULTILINE)
    if complaint and complaint[1] != "No hosts remaining!":  # of which the lines above say why
        return complaint[1]
    lines = [line for line in text.splitlines() if line.strip()]
    return "The last that it said:\n" + "\n".join(lines[-_LAST_LINES:]) if lines else ""


def seconds_of_last_run(name: str, since: float) -> float | None:
    """How long the last deploy of a stack took, waiting for the server included; None if it ended before `since`."""
    path = stack.state_folder(name) / TIMING
    if not path.exists():
        return None
    noted = json.loads(path.read_text())
    return float(noted["seconds"]) if noted["ended"] >= since else None


def way_in(accepted: Sequence[str], address: str) -> tuple[openssh.Route, keys.Key | None]:
    """How ssh gets to the administrator's account there, and the key of `accepted` to offer first.

    Raises WorkbenchError where that key cannot be used without asking somebody, who may not be there.
    """
    route = openssh.route(ADMIN, address)
    return route, keys.chosen(accepted, route)


def _require_key(raw_config: Mapping[str, object], address: str) -> None:
    """Before it is waited for a server, and not after. Raises WorkbenchError as `way_in` does."""
    way_in(config.parse(raw_config).admin_ssh_keys, address)


def wait_for_ssh(address: str, timeout: float = BOOT_TIMEOUT) -> None:
    """Returns once an SSH server greets at the address, reached as ssh would reach it.

    Raises WorkbenchError after `timeout` seconds.
    """
    route = openssh.route(ADMIN, address)
    by = f" by way of {route.by} (~/.ssh/config)" if route.proxy else ""
    start = time.monotonic()
    told = 0.0
    while (why := link.silence(route)) is not None:
        waited = time.monotonic() - start
        if waited > timeout:
            raise WorkbenchError(
                f"{address} did not answer by SSH{by} within {timeout:.0f} s ({why}); is {_asking(route)} address "
                "in workbench:sshFrom, and did the server boot (its system log is in the EC2 console)?"
            )
        if waited - told > 15:
            told = waited
            print(f"waiting for {address} to answer by SSH{by} ({waited:.0f} s; {why})", flush=True)
        time.sleep(PROXY_PAUSE if route.proxy else PAUSE)


def _asking(route: openssh.Route) -> str:
    return "that machine's" if route.proxy else "this machine's"


def deploy_digest() -> str:
    """sha256 of everything that decides what the deploy does, save settings and facts: its code and templates."""
    digest = hashlib.sha256()
    for folder, pattern in _DECIDING:
        for path in sorted(path for path in (stack.ROOT / folder).glob(pattern) if path.is_file()):
            digest.update(f"{path.relative_to(stack.ROOT)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


CONTEXT_DIGEST = "contextSha256"  # contextDigest in states of before, where it was no secret


def remembered(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a configuration: digests of its inputs, by which the next `up` sees whether they changed.

    The inputs are in the state as well, settings and password hashes among them, but encrypted: `context` is a secret.
    So is its digest, by which a weak password among the settings could be guessed.
    """
    context = hashlib.sha256(str(inputs["context"]).encode()).hexdigest()
    return {"digest": inputs["digest"], "instanceId": inputs["instanceId"], CONTEXT_DIGEST: context}


def answers(address: str) -> bool:
    """Whether an SSH server greets there within some seconds."""
    return link.silence(openssh.route(ADMIN, address)) is None


def _make_private(path: Path) -> None:
    """An empty file that only its owner can read."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
