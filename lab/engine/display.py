"""What a person sees: the lines that the Pulumi CLI prints where it has no terminal.

Secrets are shown as [secret] (see lab.engine.values), what is not known yet as [unknown].
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from lab.engine import values
from lab.engine.answers import Diff
from lab.engine.diffview import detailed, shown
from lab.engine.ops import Op
from lab.engine.report import ERROR, INFO, WARNING
from lab.engine.state import ROOT_STACK_TYPE, Resource, short_type
from lab.engine.values import Props

_SEVERITIES = {INFO: "info", WARNING: "warning", ERROR: "error"}
_DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "import": "imported",
}
_SIGNS = {"create": "+ ", "update": "~ ", "delete": "- ", "replace": "+-", "import": "= "}


@dataclass
class Step:
    """A step that was taken or planned, for the JSON of a preview and for what callers ask afterwards."""

    op: Op
    resource: Resource
    old: Resource | None
    diff: Diff | None


@dataclass
class Display:
    """Shows one phase of a run (`planning`: it only previews). Satisfies lab.engine.report.Report.

    `show_diff`: properties instead of one line a step. `quiet`: no lines for steps, only what went wrong.
    `list_same`: a line for what does not change, too.
    """

    planning: bool
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    show_diff: bool = False
    quiet: bool = False
    list_same: bool = False
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors = 0
        self.diagnostics: list[tuple[str, int, str]] = []
        self._lock = threading.RLock()
        self._began = time.monotonic()

    # Report

    def started(self, op: Op, resource: Resource, diff: Diff | None) -> None:
        if not self.planning:
            self._line(op, resource, f"{op.doing} (0s){_suffix(resource, op, diff)}")

    def done(
        self, op: Op, resource: Resource, old: Resource | None, diff: Diff | None, seconds: float | None
    ) -> None:
        with self._lock:
            self.steps.append(Step(op, resource, old, diff))
            if op.counts_as and not resource.is_provider:
                self.counts[op.counts_as] += 1
        if self.show_diff:
            self._show_diff(op, resource, old, diff)
        elif op is Op.SAME:
            self._same(resource, old)
        elif self.planning:
            self._line(op, resource, op.plan + _suffix(resource, op, diff))
        elif resource.custom:
            self._line(op, resource, f"{op.done} ({seconds or 0:.2f}s){_suffix(resource, op, diff)}")

    def failed(self, op: Op, resource: Resource, message: str) -> None:
        first = message.splitlines()[0] if message else ""
        self._line(op, resource, f"**{op.doing or op.plan} failed** error: {first}")

    def diagnose(self, severity: int, urn: str, message: str) -> None:
        with self._lock:
            self.diagnostics.append((urn, severity, message))
            self.errors += severity >= ERROR

    def say(self, line: str) -> None:
        with self._lock:
            print(line, file=self.stream, flush=True)

    # Lines

    def _line(self, op: Op, resource: Resource, text: str) -> None:
        if self.quiet or self.show_diff or resource.is_provider:
            return
        self.say(f" {op.sign} {short_type(resource.type)} {resource.name} {text}".rstrip())

    def _same(self, resource: Resource, old: Resource | None) -> None:
        if resource.type == ROOT_STACK_TYPE or self.quiet:
            return  # the stack's line comes when the program has ended
        if old and old.protect != resource.protect:
            self._line(Op.SAME, resource, " [diff: ~protect]")
        elif self.list_same:
            self._line(Op.SAME, resource, "")

    def _show_diff(self, op: Op, resource: Resource, old: Resource | None, diff: Diff | None) -> None:
        if resource.is_provider or self.quiet:
            return
        if op is Op.SAME and resource.type != ROOT_STACK_TYPE:
            return
        if op in (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED):
            return  # shown with the replacement itself
        for line in detailed(op, resource, old, diff):
            self.say(line)

    def heading(self, verb: str, stack: str) -> None:
        if not self.quiet:
            self.say(f"{verb} ({stack}):")

    # The end

    def finish(self, before: Props, after: Props | None, verb: str = "") -> None:
        """The stack's line, its outputs, what went wrong, and the counts. `after` None: the stack is gone."""
        if self.quiet:
            self._show_diagnostics()
            return
        root = next((step for step in self.steps if step.resource.type == ROOT_STACK_TYPE), None)
        if root and not self.show_diff:
            self._stack_line(root)
        if after:
            for line in self._outputs(before, after):
                self.say(line)
        self._show_diagnostics()
        for line in self._summary():
            self.say(line)
        if not self.planning:
            self.say(f"Duration: {round(time.monotonic() - self._began)}s")

    def _stack_line(self, root: Step) -> None:
        name = f"{short_type(root.resource.type)} {root.resource.name}"
        if self.errors:
            self.say(f"    {name} **failed** {self.errors} error{'s' if self.errors > 1 else ''}")
        elif root.op is Op.SAME or (self.planning and root.op is Op.CREATE):
            self.say(f" {root.op.sign} {name} {root.op.plan}".rstrip())
        elif not self.planning:
            self.say(f" {root.op.sign} {name} {root.op.done} ({time.monotonic() - self._began:.2f}s)")

    def _outputs(self, before: Props, after: Props) -> Iterator[str]:
        changed = values.changed_keys(before, after)
        if self.planning and not changed:
            return
        yield "Outputs:"
        width = max(len(key) for key in {**after, **changed})
        for key in sorted({**after, **changed}):
            sign = changed.get(key, " ")
            first_time = not before  # a fresh stack's outputs carry no signs
            sign = " " if first_time else sign
            new = shown(after[key], 4) if key in after else ""
            old = shown(before[key], 4) if key in before else ""
            text = f"{old} => {new}" if sign == "~" else (new or old)
            yield f"  {sign} {key:<{width}}: {text}"

    def _show_diagnostics(self) -> None:
        if not self.diagnostics:
            return
        self.say("Diagnostics:")
        for urn in dict.fromkeys(urn for urn, _, _ in self.diagnostics):
            parts = urn.split("::", 3)
            where = f"{short_type(parts[2].split('$')[-1])} ({parts[3]})" if len(parts) == 4 else "stack"
            self.say(f"  {where}:")
            for of, severity, message in self.diagnostics:
                if of == urn:
                    indented = message.rstrip().replace("\n", "\n    ")
                    self.say(f"    {_SEVERITIES.get(severity, 'info')}: {indented}")

    def _summary(self) -> Iterator[str]:
        yield "Resources:"
        changes = [kind for kind in _SIGNS if self.counts[kind]]
        same = self.counts["same"]
        for kind in changes:
            words = f"to {kind}" if self.planning else _DONE[kind]
            yield f"    {_SIGNS[kind]}{self.counts[kind]} {words}"
        if self.errors:
            yield f"    {self.errors} errored"
        if len(changes) > 1:
            total = sum(self.counts[kind] for kind in changes)
            yield f"    {total} changes" + (f". {same} unchanged" if same else "")
        elif same or not (changes or self.errors):
            yield f"    {same} unchanged"

    @property
    def changes(self) -> int:
        """How many resources are (to be) changed in any way."""
        return sum(count for kind, count in self.counts.items() if kind != "same")


def _suffix(resource: Resource, op: Op, diff: Diff | None) -> str:
    """What stands behind a step: the properties that change, and whether the real thing is kept."""
    if op in (Op.DELETE, Op.DELETE_REPLACED):
        return "[retain]" if resource.retain_on_delete else ""
    if diff is None or not diff.keys or op is Op.CREATE:
        return ""
    return f" [diff: {','.join(sign + key for key, sign in diff.keys.items())}]"


def preview_json(display: Display, config: Props, seconds: float) -> str:
    """The JSON of `pulumi preview --json`; secrets masked."""
    steps = [_step_json(step) for step in display.steps if not step.resource.is_default_provider]
    whole = {
        "config": config,
        "steps": steps,
        "duration": int(seconds * 1e9),
        "changeSummary": {kind: count for kind, count in sorted(display.counts.items()) if count},
        "diagnostics": [
            {"urn": urn, "message": message, "severity": _SEVERITIES.get(severity, "info")}
            for urn, severity, message in display.diagnostics
        ],
    }
    return json.dumps(whole, indent=4, ensure_ascii=False)


def _mask(_: Any) -> str:
    return "[secret]"


def _step_json(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"op": step.op.name.lower().replace("_", "-"), "urn": step.resource.urn}
    if step.resource.provider:
        found["provider"] = step.resource.provider
    if step.old is not None:
        found["oldState"] = step.old.to_json(_mask)
    if step.op not in (Op.DELETE, Op.DELETE_REPLACED):
        found["newState"] = step.resource.to_json(_mask)
    if step.diff is not None and step.diff.changes:
        found["diffReasons"] = sorted(step.diff.keys)
        found["replaceReasons"] = sorted(step.diff.replaces)
    return found
