"""What a person sees of a run of Pulumi's engine: each change with how long it took, and what takes long meanwhile."""

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from cli.common import console

_DONE = {
    "create": "created",
    "create-replacement": "created anew",
    "delete": "deleted",
    "delete-replaced": "deleted, to be made anew",
    "discard": "left where it is",
    "import": "taken over",
    "import-replacement": "taken over",
    "read": "read",
    "refresh": "looked at",
    "update": "updated",
}
_INTERRUPTED = {
    "creating": "created",
    "updating": "changed",
    "deleting": "deleted",
    "reading": "read",
    "importing": "taken over",
}
_QUIET = {"same", "refresh", "read", "replace", "read-discard", "remove-pending-replace"}
_TELL_SECONDS = 15.0
_COMPONENTS = ("pulumi:", "workbench:")


@dataclass(frozen=True)
class Step:
    """What the engine does, or would do, to one resource: its inputs before and after, and which of them change.

    `kept`: AWS keeps it though the state lets go of it.
    """

    op: str
    urn: str
    kind: str
    id: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    changed: tuple[str, ...]
    kept: bool

    @property
    def name(self) -> str:
        """The name that the program gave it."""
        return self.urn.rpartition("::")[2]


@dataclass
class Progress:
    """Follows the events of one run. `errors` are pairs of what it was about and what was said.

    `steps` are those of all resources but components, in the engine's order; `warnings` what it, or the program, warned
    of, `told` what the program said beside.
    """

    quiet: bool = False
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    began: bool = False
    """Whether the engine set about changing anything."""
    _running: dict[str, tuple[str, float]] = field(default_factory=dict)
    _told: float = field(default_factory=time.monotonic)

    def follow(self, events: IO[bytes], lives: Callable[[], bool]) -> None:
        """Takes events, a line of JSON each, until the engine has ended; says what is still going on in between.

        `lives`: whether the engine does. Killed, it leaves plugins that hold the other end of `events` for a moment.
        """
        lines: queue.Queue[bytes] = queue.Queue()

        def read() -> None:
            with events:  # here: who closes it elsewhere waits for the end of the line that is being read
                for line in events:
                    lines.put(line)
            lines.put(b"")

        threading.Thread(target=read, daemon=True).start()
        while (line := self._next(lines, lives)).endswith(b"\n"):  # the last of a killed engine may be a half
            self.take(json.loads(line))

    def _next(self, lines: "queue.Queue[bytes]", lives: Callable[[], bool]) -> bytes:
        while True:
            lived = lives()
            try:
                return lines.get(timeout=1)
            except queue.Empty:
                if not lived:
                    return b""
                self._tell_what_takes_long()

    def _tell_what_takes_long(self) -> None:
        now = time.monotonic()
        long = [(what, now - since) for what, since in self._running.values() if now - since > _TELL_SECONDS]
        if long and now - self._told > _TELL_SECONDS:
            self._say(f"still at it: {', '.join(f'{what} ({seconds:.0f} s)' for what, seconds in long)}")

    def take(self, event: dict[str, Any]) -> None:
        """One event, as pulumi/sdk/go/common/apitype/events.go describes it."""
        if said := event.get("diagnosticEvent"):
            self._diagnostic(said)
        elif begun := event.get("resourcePreEvent"):
            self._begin(begun["metadata"])
        elif ended := event.get("resOutputsEvent"):
            self._end(ended["metadata"])
        elif failed := event.get("resOpFailedEvent"):
            self._running.pop(failed["metadata"]["urn"], None)
        elif summary := event.get("summaryEvent"):
            self.changes = dict(summary.get("resourceChanges") or {})

    def _diagnostic(self, said: dict[str, Any]) -> None:
        message, urn = said["message"].rstrip(), said.get("urn", "")
        if said["severity"] == "error":
            self.errors.append((described(urn), message))
        elif said["severity"] != "debug" and message and not said.get("ephemeral"):
            if said["severity"] == "warning":
                self.warnings.append(message)
            elif said["severity"] == "info" and described(urn) == "":  # what is printed has other ones
                self.told.append(message)
            for line in message.splitlines():
                self._say(f"warning: {line}" if said["severity"] == "warning" else line)

    def _begin(self, step: dict[str, Any]) -> None:
        if not step["type"].startswith(_COMPONENTS):
            self.steps.append(_step(step))
        if step["op"] not in _QUIET and not step["type"].startswith(_COMPONENTS):
            self.began = True
            self._running[step["urn"]] = (described(step["urn"]), time.monotonic())

    def _end(self, step: dict[str, Any]) -> None:
        what, since = self._running.pop(step["urn"], ("", 0.0))
        if what:
            self._say(f"{what} {verb_of(step['op'])} ({time.monotonic() - since:.1f} s)")
        if step["type"] == "pulumi:pulumi:Stack":
            self.outputs = (step.get("new") or {}).get("outputs") or {}

    def _say(self, line: str) -> None:
        self._told = time.monotonic()
        if not self.quiet:
            console.print(f"  {line}", markup=False)


def _step(told: Mapping[str, Any]) -> Step:
    old, new = told.get("old") or {}, told.get("new") or {}
    return Step(
        op=told["op"],
        urn=told["urn"],
        kind=told["type"],
        id=str(old.get("id") or ""),
        old=old.get("inputs") or {},
        new=new.get("inputs") or {},
        changed=tuple(told.get("diffs") or ()),
        kept=bool(old.get("retainOnDelete")),
    )


def verb_of(step: str) -> str:
    """What became of a resource, for a step of the engine's."""
    return "unchanged" if step == "same" else _DONE.get(step, step)


def interrupted(operation: Mapping[str, Any]) -> str:
    """`Vpc vpc was being created`, of a pending operation in an exported state."""
    kind = operation["type"]
    return f"{described(operation['resource']['urn'])} was being {_INTERRUPTED.get(kind, kind)}"


def described(urn: str) -> str:
    """`Instance server` of a URN; "" of the stack's own or none."""
    if not urn or "pulumi:pulumi:Stack::" in urn:
        return ""
    kind, _, name = urn.split("::", 2)[2].rpartition("::")
    return f"{kind.rpartition(':')[2]} {name}"
