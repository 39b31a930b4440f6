"""Pulumi's provider protocol over the tables of this package.

Sources: proto/pulumi/provider.proto of the Pulumi SDK, and what the real engine sends (tests/unit/transcripts).
Secrets: this provider says that it takes none, so the engine sends them plain and keeps them encrypted itself.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.provider import checking, diffing, engine, states
from lab.provider.catalogue import of_urn
from lab.provider.cloud import Cloud, patience
from lab.provider.failures import EXPECTED, HalfMadeError, explain, reported
from lab.provider.invokes import INVOKES
from lab.provider.schema import Change, ResourceType
from lab.provider.values import State, decode, encode
from workbench.errors import WorkbenchError

VERSION = importlib.metadata.version("pulumi_aws")

_KINDS = {
    (how, replaces): getattr(provider_pb2.PropertyDiff, how + ("_REPLACE" if replaces else ""))
    for how in ("ADD", "DELETE", "UPDATE")
    for replaces in (False, True)
}


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider for any number of engines on this machine; `endpoint` is the lab's AWS."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._configured: Cloud | None = None

    @property
    def _cloud(self) -> Cloud:
        if self._configured is None:
            raise WorkbenchError("the provider was used before it was configured")
        return self._configured

    # ---- the provider itself

    def Handshake(self, request: Any, context: Any) -> provider_pb2.ProviderHandshakeResponse:
        """What we can do with values: only plain ones."""
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:
        """The engine tells where it listens; we have nothing to tell it."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """The version whose types we speak: that of the SDK beside us."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> provider_pb2.GetSchemaResponse:
        """No more than name and version: the SDK has the types."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        """Any configuration will do."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        """Another region means other resources."""
        olds, news = decode(request.olds), decode(request.news)
        if olds.get("region") == news.get("region"):
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        return _verdict([Change(("region",), "UPDATE", replaces=True)])

    @reported
    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        """Learn the region. Engines come one after the other: each configures us anew."""
        endpoint = self._endpoint or os.environ.get("AWS_ENDPOINT_URL")
        if not endpoint:
            raise WorkbenchError(
                "the lab's provider only works on the lab: AWS_ENDPOINT_URL must say where that is"
            )
        region = (
            decode(request.args).get("region")
            or request.variables.get("aws:config:region")
            or os.environ.get("AWS_REGION")
        )
        if not region:
            raise WorkbenchError("no region: set aws:region in the stack's configuration, or AWS_REGION")
        now = self._configured
        if now is None or (now.region, now.endpoint) != (region, endpoint):
            self._configured = Cloud(region, endpoint)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Sent at the end of every run. Others may be at work here too, and every wait has an end of its own."""
        return empty_pb2.Empty()

    # ---- resources

    @reported
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        """Validate, fill in defaults, make a name."""
        kind, name = of_urn(request.urn)
        inputs, failures = checking.check(
            kind, name, decode(request.olds), decode(request.news), request.randomSeed
        )
        failed = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failed)

    @reported
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        """What changes, and does that replace it."""
        kind, _ = of_urn(request.urn)
        return _verdict(diffing.changes(kind, decode(request.olds), _wanted(request)))

    @reported
    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Make it; or say what that would give."""
        kind, name = of_urn(request.urn)
        inputs = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(states.planned(kind, inputs)))
        made = engine.create(self._cloud, kind, inputs)
        try:
            with patience(request.timeout):
                engine.finish(self._cloud, kind, made, inputs)
            outputs = self._outputs(kind, made, inputs)
        except Exception as error:
            message = f"{kind.short} {name!r} was made ({made}) but did not get ready: {explain(error)}"
            raise HalfMadeError(message, made, self._whatever(kind, made, inputs)) from error
        return provider_pb2.CreateResponse(id=made, properties=encode(outputs))

    def _outputs(self, kind: ResourceType, made: str, inputs: State) -> State:
        found = engine.read(self._cloud, kind, made, inputs)
        if found is None:
            raise WorkbenchError(f"{made} is not there")
        return states.read_back(kind, found[1], inputs)

    def _whatever(self, kind: ResourceType, made: str, inputs: State) -> State:
        """The outputs of something half made, as far as they can be had."""
        try:
            return self._outputs(kind, made, inputs)
        except EXPECTED:
            return inputs

    @reported
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        """As it is now; an empty answer when it is gone. Without properties it is an import, by the id alone."""
        kind, _ = of_urn(request.urn)
        inputs, olds = decode(request.inputs), decode(request.properties)
        found = engine.read(self._cloud, kind, request.id, olds if inputs else {})
        if found is None:
            return provider_pb2.ReadResponse()
        outputs = states.read_back(kind, found[1], olds)
        now = states.same_inputs(kind, outputs, inputs) if olds else states.all_inputs(kind, outputs)
        return provider_pb2.ReadResponse(id=found[0], properties=encode(outputs), inputs=encode(now))

    @reported
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        """Change it in place; or say what that would give."""
        kind, _ = of_urn(request.urn)
        olds, news = decode(request.olds), _wanted(request)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(states.revised(kind, olds, news)))
        changes = diffing.changes(kind, olds, news)
        with patience(request.timeout):
            if changes:
                engine.update(self._cloud, kind, request.id, olds, news, changes)
            else:
                # The engine updates without a change what did not get ready when it was made.
                engine.finish(self._cloud, kind, request.id, news)
        return provider_pb2.UpdateResponse(properties=encode(self._outputs(kind, request.id, news)))

    @reported
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Delete it; fine when it is gone already."""
        kind, _ = of_urn(request.urn)
        with patience(request.timeout):
            engine.delete(self._cloud, kind, request.id, decode(request.properties))
        return empty_pb2.Empty()

    # ---- functions

    @reported
    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        """Ask the cloud something."""
        if request.tok not in INVOKES:
            known = ", ".join(sorted(INVOKES))
            raise WorkbenchError(f"the lab knows no function {request.tok!r}; it knows {known}")
        try:
            answer = INVOKES[request.tok](self._cloud, decode(request.args))
        except EXPECTED as error:
            failure = provider_pb2.CheckFailure(reason=explain(error))
            return provider_pb2.InvokeResponse(failures=[failure])
        plain = {name: value for name, value in answer.items() if value is not None}
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(plain))  # a keyword of Python
        return response


def _wanted(request: Any) -> State:
    """The inputs of a Diff or Update, less what the program says to leave alone."""
    return diffing.with_ignored(decode(request.news), decode(request.olds), request.ignoreChanges)


def _verdict(changes: list[Change]) -> provider_pb2.DiffResponse:
    replaced = dict.fromkeys(change.top for change in changes if change.replaces)
    some = provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some,
        diffs=list(dict.fromkeys(change.top for change in changes)),
        replaces=list(replaced),
        detailedDiff={
            diffing.write_path(change.path): provider_pb2.PropertyDiff(
                kind=_KINDS[change.how, change.replaces]
            )
            for change in changes
        },
        hasDetailedDiff=True,
    )
