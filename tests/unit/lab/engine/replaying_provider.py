"""A provider that answers what the recorder of the transcripts answered, and remembers what it was asked."""

import json
import threading
from collections import defaultdict, deque
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
RESPONSES = {
    "Handshake": provider_pb2.ProviderHandshakeResponse,
    "Attach": empty_pb2.Empty,
    "GetPluginInfo": plugin_pb2.PluginInfo,
    "CheckConfig": provider_pb2.CheckResponse,
    "DiffConfig": provider_pb2.DiffResponse,
    "Configure": provider_pb2.ConfigureResponse,
    "Invoke": provider_pb2.InvokeResponse,
    "Check": provider_pb2.CheckResponse,
    "Diff": provider_pb2.DiffResponse,
    "Create": provider_pb2.CreateResponse,
    "Read": provider_pb2.ReadResponse,
    "Update": provider_pb2.UpdateResponse,
    "Delete": empty_pb2.Empty,
    "Cancel": empty_pb2.Empty,
}
Call = dict[str, Any]


def transcript(step: str) -> list[Call]:
    text = (TRANSCRIPTS / f"{step}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def key_of(call: Call) -> tuple[str, str]:
    request = call["request"]
    return call["method"], request.get("urn") or request.get("tok") or ""


class ReplayingProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one step of the transcripts at a time: the nth call of a method for a resource gets the nth answer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[tuple[str, str], deque[Call]] = defaultdict(deque)
        self._lock = threading.Lock()

    def load(self, step: str) -> None:
        self.calls = []
        self._answers.clear()
        for call in transcript(step):
            self._answers[key_of(call)].append(call["response"])

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        call = {"method": method, "request": json_format.MessageToDict(request)}
        with self._lock:
            self.calls.append(call)
            answers = self._answers[key_of(call)]
            if not answers:
                context.abort(grpc.StatusCode.INTERNAL, f"the real engine did not call {key_of(call)}")
            return json_format.ParseDict(answers.popleft(), RESPONSES[method]())


def _method(name: str) -> Any:
    return lambda self, request, context: self.answer(name, request, context)


for _name in RESPONSES:
    setattr(ReplayingProvider, _name, _method(_name))


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer) -> tuple[grpc.Server, int]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
