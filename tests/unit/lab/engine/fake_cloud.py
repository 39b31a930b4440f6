"""A small cloud, and a provider for it (package `fake`, one type of resource), served over gRPC.

It refuses what clouds refuse: something that refers to what does not exist, deleting what something holds on
to. `refs` are ids that a thing holds on to for its life, `links` ids that can be changed; `force` is a property
that cannot be changed in place. Calls can be made to fail.
"""

import copy
import threading
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.engine.values import UNKNOWN

TYPE = "fake:index:Thing"


def props(struct: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(struct)


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


@dataclass
class FakeCloud(provider_pb2_grpc.ResourceProviderServicer):
    """`things`: id -> properties. `made`: how many of each name were ever made. `log`: (method, name) of changes."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    fail_at: int | None = None  # the number of the change that fails, from 0
    on_change: Any = None  # called with the number of a change before it is made
    on_create: Any = None  # called before anything is made, by several threads at once
    configured: list[dict[str, Any]] = field(default_factory=list)
    accepts_secrets: bool = False
    supports_preview: bool = True
    seen_inputs: list[dict[str, Any]] = field(default_factory=list)
    created: int = 0
    changes: int = 0
    version: str = "1.0.0"
    timeouts: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def by_name(self) -> dict[str, dict[str, Any]]:
        """Name -> properties, references by name. Fails where a name is there twice."""
        found: dict[str, dict[str, Any]] = {}
        for thing in self.things.values():
            assert thing["name"] not in found, f"{thing['name']} was made twice"
            others = {
                key: [self.things[ref]["name"] for ref in thing.get(key, [])] for key in ("refs", "links")
            }
            found[thing["name"]] = {**thing, **others}
            del found[thing["name"]]["name"]
        return found

    def _change(self, method: str, name: str, context: grpc.ServicerContext) -> None:
        number, self.changes = self.changes, self.changes + 1
        if self.on_change:
            self.on_change(number)
        if number == self.fail_at:
            context.abort(grpc.StatusCode.UNKNOWN, f"{method} of {name} was made to fail")
        self.log.append((method, name))

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        old, new = props(request.old_inputs), props(request.news)
        changed = old.get("account") != new.get("account")
        return provider_pb2.DiffResponse(replaces=["account"] if changed else [])

    def Configure(self, request: Any, context: Any) -> Any:
        self.configured.append(props(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=self.accepts_secrets, supportsPreview=self.supports_preview
        )

    def Check(self, request: Any, context: Any) -> Any:
        inputs = props(request.news)
        self.seen_inputs.append(copy.deepcopy(inputs))
        failures = []
        if inputs.get("value") == "forbidden":
            failures.append(provider_pb2.CheckFailure(property="value", reason="this value is forbidden"))
        return provider_pb2.CheckResponse(inputs=struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = props(request.old_inputs), props(request.news)
        keys = sorted(key for key in {**old, **new} if old.get(key) != new.get(key))
        kinds = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kinds.DIFF_SOME if keys else kinds.DIFF_NONE,
            diffs=keys,
            replaces=[key for key in keys if key in ("force", "name", "refs")],
        )

    def Create(self, request: Any, context: Any) -> Any:
        inputs = props(request.properties)
        self.timeouts.append(("create", request.timeout))
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        if self.on_create:
            self.on_create()
        with self._lock:
            self._change("create", inputs["name"], context)
            self._check_refs(inputs, context)
            self.created += 1
            identity = f"{inputs['name']}-{self.created}"
            self.things[identity] = inputs
            if inputs.get("value") == "unready":
                self._fail_half_made(identity, inputs, context)
        return provider_pb2.CreateResponse(id=identity, properties=struct(self._outputs(identity)))

    def _fail_half_made(self, identity: str, inputs: dict[str, Any], context: grpc.ServicerContext) -> None:
        from pulumi.runtime.proto import status_pb2

        failed = provider_pb2.ErrorResourceInitFailed(
            id=identity, properties=struct(inputs), reasons=["it never became ready"]
        )
        status = status_pb2.Status(code=2, message="not ready")
        status.details.add().Pack(failed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, "not ready")

    def _check_refs(self, inputs: dict[str, Any], context: grpc.ServicerContext) -> None:
        for ref in [*inputs.get("refs", []), *inputs.get("links", [])]:
            if ref not in self.things:
                context.abort(
                    grpc.StatusCode.NOT_FOUND, f"{inputs['name']} refers to {ref}, which does not exist"
                )

    def _outputs(self, identity: str) -> dict[str, Any]:
        return {**self.things[identity], "token": f"token-of-{identity}"}

    def Update(self, request: Any, context: Any) -> Any:
        inputs = props(request.news)
        self.timeouts.append(("update", request.timeout))
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        with self._lock:
            self._change("update", inputs["name"], context)
            self._check_refs(inputs, context)
            self.things[request.id] = inputs
        return provider_pb2.UpdateResponse(properties=struct(self._outputs(request.id)))

    def Delete(self, request: Any, context: Any) -> Any:
        self.timeouts.append(("delete", request.timeout))
        with self._lock:
            self._change("delete", request.name, context)
            users = [thing["name"] for thing in self.things.values() if request.id in thing.get("refs", [])]
            if users:
                context.abort(
                    grpc.StatusCode.FAILED_PRECONDITION, f"{request.id} is in use by {', '.join(users)}"
                )
            self.things.pop(request.id, None)  # what is gone already is a success, as for AWS's provider
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:
        if request.id not in self.things:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=struct(self._outputs(request.id)),
            inputs=struct(self.things[request.id]),
        )

    def Invoke(self, request: Any, context: Any) -> Any:
        args = props(request.args)
        if request.tok == "fake:index:broken":
            context.abort(grpc.StatusCode.UNKNOWN, "the cloud is on fire")
        if args.get("name") == "":
            return provider_pb2.InvokeResponse(
                failures=[provider_pb2.CheckFailure(property="name", reason="a name is needed")]
            )
        return provider_pb2.InvokeResponse(**{"return": struct({"answer": args.get("name", UNKNOWN)})})

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()
