"""The program of this project as an inline one: Pulumi's engine calls it here (workbench/cli/engine.py)."""

from typing import Any

from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2


class Inline(LanguageServer):
    """Imports the program when the engine asks for it: both take a second to start, and may do so side by side."""

    def __init__(self) -> None:
        super().__init__(_main)

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Run it. What it raised is an event by then: answered with it, it would be told twice."""
        answer = super().Run(request, context)  # type: ignore[no-untyped-call]
        return language_pb2.RunResponse(bail=True) if answer.error else answer


def _main() -> None:
    from infra.program import main

    main()
