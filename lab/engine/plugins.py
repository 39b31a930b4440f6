"""Where providers come from: a port that somebody serves them on, or the SDK's own dynamic provider.

The stand-in downloads no plugins. PULUMI_DEBUG_PROVIDERS=NAME:PORT[,NAME:PORT] names running ones, as with
the real engine; `pulumi-python` is a process of its own, so that what a dynamic resource prints goes out live.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from lab.engine.provider import Provider, ProviderError
from workbench.errors import WorkbenchError

DYNAMIC = "pulumi-python"
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# The engine holds the other end of standard input: however it dies, its provider goes with it.
_DYNAMIC_SCRIPT = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
runpy.run_module("pulumi.dynamic", run_name="__main__")
"""


class _EngineService(engine_pb2_grpc.EngineServicer):
    """The little of the engine that providers talk back to: their log lines."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        self._log = log

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        if not request.ephemeral:
            self._log(request.severity, request.message)
        return empty_pb2.Empty()


class PluginHost:
    """Connects to providers. `log(severity, text)` gets what they have to say, `echo(line)` what they print."""

    def __init__(
        self,
        folder: Path,
        project: str,
        log: Callable[[int, str], None],
        echo: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._project = project
        self._echo = echo
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_OPTIONS)
        engine_pb2_grpc.add_EngineServicer_to_server(_EngineService(log), self._server)
        self._address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def load(self, package: str) -> Provider:
        """A provider of the package, greeted but not configured."""
        if package == DYNAMIC:
            port, close = self._start_dynamic()
            attach = False
        else:
            port, attach = _debug_port(package), True

            def close() -> None:
                """It was running before, and goes on."""

        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
        provider = Provider(package, channel, close)
        try:
            provider.start(self._address, attach)
        except ProviderError as error:
            channel.close()
            close()
            raise WorkbenchError(
                f"the {package} provider does not answer on port {port}: is the lab running?"
                f" `workbench lab start` starts it, `workbench lab env` tells its port"
            ) from error
        return provider

    def _start_dynamic(self) -> tuple[int, Callable[[], None]]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _DYNAMIC_SCRIPT, self._address],
            cwd=self._folder,
            env={**os.environ, "PULUMI_PROJECT": self._project},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,  # a terminal's Ctrl-C is for the engine, which lets the step under way end
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first.strip().isdigit():
            process.wait()
            raise WorkbenchError("the provider of dynamic resources (python -m pulumi.dynamic) did not start")
        reader = threading.Thread(target=self._relay, args=(process,), daemon=True)
        reader.start()

        def close() -> None:
            process.terminate()
            process.wait()
            reader.join(timeout=5)

        return int(first), close

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._echo(line.rstrip("\n"))

    def stop(self) -> None:
        self._server.stop(grace=None)


def _debug_port(package: str) -> int:
    for entry in os.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(","):
        name, _, port = entry.strip().partition(":")
        if name == package and port.isdigit():
            return int(port)
    raise WorkbenchError(
        f"the lab's stand-in has no {package} provider of its own and downloads none: `workbench lab env` names the"
        f" lab's in PULUMI_DEBUG_PROVIDERS"
    )
