"""A stand-in for Pulumi's own Python language host (`pulumi-language-python`), which no package registry has.

It serves where the CLI had to be built here (install.py beside this file), and nowhere else: it runs the program in
.venv's Python by the SDK's own server for inline programs, and installs, packs and converts nothing.
Source: proto/pulumi/language.proto of the Pulumi SDK.
"""

import json
import os
import runpy
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from workbench import lifeline

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def program() -> None:
    """The project's program: the engine has named its folder, which is the working directory by then."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python __main__.py` has it
    runpy.run_path("__main__.py", run_name="__main__")


class Host(LanguageServer):
    """What the engine asks beyond running the program is answered with as little as it takes."""

    def __init__(self, engine: str) -> None:
        super().__init__(program)
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:
        """Nothing to agree on."""
        return language_pb2.LanguageHandshakeResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        """No question: Pulumi.yaml says how."""
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """uv.lock has them."""
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        """The engine ends us."""
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program, with its address of the engine and the environment that Pulumi's host gives it."""
        os.chdir(request.info.program_directory or request.pwd)
        os.environ["PULUMI_CONFIG"] = json_of(request.config)
        os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json_of(list(request.configSecretKeys))
        request.args.insert(0, self._engine)
        answer = super().Run(request, context)  # type: ignore[no-untyped-call]
        # Said already, in the engine's log: said again, it would follow itself.
        return language_pb2.RunResponse(bail=True) if answer.error else answer


def json_of(value: Any) -> str:
    """A map or list of the protocol as JSON."""
    return json.dumps(dict(value) if hasattr(value, "items") else value)


def main() -> None:
    """Serve until the engine ends us."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(ThreadPoolExecutor(8), options=_UNLIMITED)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(sys.argv[-1]), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    lifeline.hold_to_engine()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
