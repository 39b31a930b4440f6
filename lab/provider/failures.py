"""How what goes wrong reaches the person at the terminal, by way of the engine."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ParamValidationError
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.provider.catalogue import of_urn
from lab.provider.cloud import code
from lab.provider.values import State, encode
from workbench.errors import WorkbenchError

LOG = logging.getLogger(__name__)

# What a provider has to expect; anything else is a mistake of ours, and its traceback belongs in the log.
EXPECTED = (WorkbenchError, ClientError, BotoCoreError)

_VERBS = {"Create": "made", "Read": "read", "Delete": "deleted"}


class HalfMadeError(Exception):
    """A resource exists, but did not get ready. The engine keeps it, and updates it the next time."""

    def __init__(self, message: str, id_: str, properties: State) -> None:
        super().__init__(message)
        self.detail = provider_pb2.ErrorResourceInitFailed(
            id=id_, properties=encode(properties), reasons=[message]
        )

    def tell(self, context: grpc.ServicerContext) -> None:
        """Put the resource where the engine looks for it: in a google.rpc.Status, as Go's gRPC sends them."""
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(self))
        status.details.add().Pack(self.detail)
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])


def explain(error: BaseException) -> str:
    """What went wrong, in one sentence; an AWS error begins with its code."""
    if isinstance(error, ClientError):
        return f"{code(error)}: {error.response.get('Error', {}).get('Message', '')}".rstrip(". ")
    if isinstance(error, EndpointConnectionError):
        return f"the lab does not answer ({error}): is it started?"
    if isinstance(error, ParamValidationError):
        # Its words repeat the value, which may be user data with secrets in it.
        return re.sub(r"value: .*?, type: ", "type: ", " ".join(str(error).split()))
    if isinstance(error, EXPECTED):
        return " ".join(str(error).split())
    return f"{type(error).__name__} in the lab's provider ({error})"


def reported(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn any exception of an RPC into the status UNKNOWN with one sentence: which resource, what, why."""

    @functools.wraps(method)
    def guarded(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except HalfMadeError as error:
            error.tell(context)
            failure, message = error.__cause__, str(error)
        except Exception as error:
            failure, message = error, _subject(request, method.__name__) + explain(error)
        if not isinstance(failure, EXPECTED):
            LOG.error("%s failed", method.__name__, exc_info=failure)
        return context.abort(grpc.StatusCode.UNKNOWN, message)

    return guarded


def _subject(request: Any, method: str) -> str:
    """`aws:ec2:Vpc 'vpc' cannot be made: `, for a request about a resource that we know."""
    try:
        kind, name = of_urn(request.urn)
    except (AttributeError, IndexError, WorkbenchError):
        return ""
    return f"{kind.short} {name!r} cannot be {_VERBS.get(method, method.lower() + 'd')}: "
