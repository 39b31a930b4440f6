"""What a run tells whoever watches it. The display shows it; the JSON preview collects it."""

from typing import Protocol

from lab.engine.answers import Diff
from lab.engine.ops import Op
from lab.engine.state import Resource

INFO, WARNING, ERROR = 1, 2, 3  # engine.proto, LogSeverity


class Report(Protocol):
    """Called from several threads. `seconds` None: the step was only planned."""

    def started(self, op: Op, resource: Resource, diff: Diff | None) -> None: ...

    def done(
        self, op: Op, resource: Resource, old: Resource | None, diff: Diff | None, seconds: float | None
    ) -> None: ...

    def failed(self, op: Op, resource: Resource, message: str) -> None: ...

    def diagnose(self, severity: int, urn: str, message: str) -> None: ...

    def say(self, line: str) -> None: ...
