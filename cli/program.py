"""The program of this project as an inline one: Pulumi's engine calls it here (cli/engine.py)."""

import asyncio
from contextlib import suppress
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2

from cli import importing


class Inline(LanguageServer):
    """The engine asks for the program once it has started itself; until then it may still be imported."""

    def __init__(self) -> None:
        super().__init__(_main)

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Run it. What it raised is an event by then: answered with it, it would be told twice."""
        try:
            answer = super().Run(request, context)  # type: ignore[no-untyped-call]
        except grpc.RpcError:
            self._end()
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(bail=True) if answer.error else answer

    def _exception_handler(self, loop: asyncio.AbstractEventLoop, context: Any) -> None:
        self._loop = loop
        super()._exception_handler(loop, context)  # type: ignore[no-untyped-call]

    def _end(self) -> None:
        """The engine was killed, and the SDK's own end of the program failed in telling it so.

        What is left of the program would complain, with a traceback, when this process ends.
        """
        self._loop.set_exception_handler(lambda *_: None)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with suppress(asyncio.CancelledError, grpc.RpcError):
                self._loop.run_until_complete(task)
        self._loop.close()


def _main() -> None:
    importing.begun(importing.PROGRAM).result().main()
