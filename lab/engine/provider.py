"""A resource provider, spoken to as the real engine does: pulumirpc.ResourceProvider over gRPC.

Values go out as the provider takes them (without marks of secrecy if it takes none). What a provider
refuses comes back as ProviderError, whose text is the provider's own.
"""

import contextlib
import os
import re
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from lab.engine import values
from lab.engine.answers import Diff, Found, Made, checked, diff_of, from_struct, to_struct
from lab.engine.stackfile import as_text
from lab.engine.state import Resource
from lab.engine.values import Props
from workbench.errors import WorkbenchError

_TRACEBACK = "Traceback (most recent call last):"
_DETAILS_KEY = "grpc-status-details-bin"
CONNECT_SECONDS = 15


class ProviderError(WorkbenchError):
    """A provider's refusal or failure. `partial` is what it made all the same, if it says so."""

    def __init__(self, message: str, partial: Made | None = None) -> None:
        super().__init__(message)
        self.partial = partial


def _message_of(details: str) -> str:
    """The text of a provider's error; of a traceback that ends in an error meant for people, only that."""
    if not details.startswith(_TRACEBACK):
        return details
    lines = details.rstrip().splitlines()
    last = max((at for at, line in enumerate(lines) if line.startswith((" ", _TRACEBACK))), default=0)
    error = "\n".join(lines[last + 1 :])
    meant = re.match(r"[\w.]*(?:WorkbenchError|RunError): (.*)", error, re.DOTALL)
    return meant.group(1) if meant else details


def _partial(error: Any) -> Made | None:
    """What was made although the call failed (pulumirpc.ErrorResourceInitFailed in the status)."""
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY:
            continue
        for detail in status_pb2.Status.FromString(value).details:
            failed = _init_failed(detail)
            if failed is not None:
                return Made(failed.id, from_struct(failed.properties), list(failed.reasons))
    return None


def _init_failed(detail: Any) -> Any:
    failed = provider_pb2.ErrorResourceInitFailed()
    return failed if detail.Unpack(failed) else None


class Provider:
    """One configured provider. `supports_preview` says whether creates and updates may be rehearsed."""

    def __init__(self, package: str, channel: grpc.Channel, close: Callable[[], None]) -> None:
        self.package = package
        self.version = ""
        self.supports_preview = False
        self.configured = False
        self._accepts_secrets = False
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)
        self._channel = channel
        self._close = close

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise ProviderError(
                    f"the {self.package} provider went away during {method}: {error.details()}"
                ) from error
            raise ProviderError(_message_of(error.details() or str(error.code())), _partial(error)) from error

    def _optional(self, method: str, request: Any) -> Any:
        """As `_call`, but None where the provider has no such method."""
        try:
            return self._call(method, request)
        except ProviderError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise

    def _struct(self, props: Props) -> struct_pb2.Struct:
        return to_struct(props if self._accepts_secrets else values.plain(props))

    def start(self, engine_address: str, attach: bool) -> None:
        """The first words: who the engine is, who the provider is. `attach` where it was running before.

        Raises ProviderError if nobody answers within CONNECT_SECONDS.
        """
        hello = provider_pb2.ProviderHandshakeRequest(
            engine_address=engine_address, configure_with_urn=True, invoke_with_preview=True
        )
        try:
            self._stub.Handshake(hello, wait_for_ready=True, timeout=CONNECT_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise ProviderError(f"no answer: {error.details()}") from error
        if attach:
            self._optional("Attach", plugin_pb2.PluginAttach(address=engine_address))
        info = self._optional("GetPluginInfo", empty_pb2.Empty())
        self.version = info.version if info else ""

    def check_config(self, resource: Resource, olds: Props) -> tuple[Props, list[tuple[str, str]]]:
        """The provider's own configuration, checked: (inputs, failures as (property, reason))."""
        request = provider_pb2.CheckRequest(
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            olds=to_struct(olds),
            news=to_struct(resource.inputs),
        )
        answer = self._optional("CheckConfig", request)
        return (resource.inputs, []) if answer is None else checked(answer)

    def diff_config(self, resource: Resource, old: Resource) -> Diff:
        request = provider_pb2.DiffRequest(
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            olds=to_struct(old.outputs),
            news=to_struct(resource.inputs),
            old_inputs=to_struct(old.inputs),
        )
        answer = self._optional("DiffConfig", request)
        return Diff(changes=None) if answer is None else diff_of(answer)

    def configure(self, resource: Resource, extra: Props) -> None:
        """Configure by a provider resource's inputs (and `extra`, which no state keeps)."""
        args = {**resource.inputs, **extra}
        variables = {
            f"{self.package}:config:{key}": as_text(values.plain(value))
            for key, value in args.items()
            if key != "version"
        }
        answer = self._call(
            "Configure",
            provider_pb2.ConfigureRequest(
                variables=variables,
                args=to_struct(args),
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
                id=resource.id,
                urn=resource.urn,
                name=resource.name,
                type=resource.type,
            ),
        )
        self._accepts_secrets = answer.acceptSecrets
        self.supports_preview = answer.supportsPreview
        self.configured = True

    def check(self, resource: Resource, olds: Props, news: Props) -> tuple[Props, list[tuple[str, str]]]:
        """(inputs with the provider's defaults, failures as (property, reason))."""
        if not self.configured:
            return news, []
        request = provider_pb2.CheckRequest(
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            olds=self._struct(olds),
            news=self._struct(news),
            randomSeed=os.urandom(32),
        )
        inputs, failures = checked(self._call("Check", request))
        return values.annotate_secrets(inputs, news), failures

    def diff(self, old: Resource, new: Resource) -> Diff:
        if not self.configured:
            return Diff(changes=None)
        return diff_of(self._call("Diff", provider_pb2.DiffRequest(**self._change(old, new))))

    def _change(self, old: Resource, new: Resource) -> dict[str, Any]:
        """What the provider is told of a resource that is there and what it is to become."""
        return {
            "id": old.id,
            "urn": new.urn,
            "name": new.name,
            "type": new.type,
            "olds": self._struct(old.outputs),
            "news": self._struct(new.inputs),
            "ignoreChanges": new.ignore_changes,
            "old_inputs": self._struct(old.inputs),
        }

    def create(self, resource: Resource, timeout: float, preview: bool) -> Made:
        if preview and not (self.supports_preview and self.configured):
            return Made("", {})  # all outputs unknown
        request = provider_pb2.CreateRequest(
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            properties=self._struct(resource.inputs),
            timeout=timeout,
            preview=preview,
        )
        answer = self._call("Create", request)
        if not answer.id and not preview:
            raise ProviderError(f"the {self.package} provider made the resource and gave it no id")
        return Made(answer.id, from_struct(answer.properties))

    def update(self, old: Resource, new: Resource, timeout: float, preview: bool) -> Made:
        if preview and not (self.supports_preview and self.configured):
            return Made(old.id, {})
        request = provider_pb2.UpdateRequest(**self._change(old, new), timeout=timeout, preview=preview)
        return Made(old.id, from_struct(self._call("Update", request).properties))

    def delete(self, resource: Resource) -> None:
        self._call(
            "Delete",
            provider_pb2.DeleteRequest(
                id=resource.id,
                urn=resource.urn,
                name=resource.name,
                type=resource.type,
                properties=self._struct(resource.outputs),
                timeout=resource.delete_timeout,
                old_inputs=self._struct(resource.inputs),
            ),
        )

    def read(self, resource: Resource, state: Props | None, inputs: Props | None) -> Found:
        """What `resource.id` is now; `state` and `inputs` are what was last known, where anything was."""
        request = provider_pb2.ReadRequest(
            id=resource.id,
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            properties=None if state is None else self._struct(state),
            inputs=None if inputs is None else self._struct(inputs),
        )
        answer = self._call("Read", request)
        found = from_struct(answer.inputs) if answer.HasField("inputs") else None
        return Found(answer.id, from_struct(answer.properties), found)

    def invoke(self, token: str, args: Props, preview: bool) -> tuple[Props, list[tuple[str, str]]]:
        """A function of the provider: (its result, failures as (property, reason))."""
        answer = self._call(
            "Invoke", provider_pb2.InvokeRequest(tok=token, args=self._struct(args), preview=preview)
        )
        failures = [(item.property, item.reason) for item in answer.failures]
        return from_struct(getattr(answer, "return")), failures

    def stop(self) -> None:
        """Say goodbye: the provider need not answer."""
        with contextlib.suppress(grpc.RpcError):  # it is gone, or has nothing to cancel
            self._stub.Cancel(empty_pb2.Empty(), timeout=5)
        self._channel.close()
        self._close()
