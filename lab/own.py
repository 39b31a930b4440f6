"""The services that moto lacks, as stand-ins of our own behind it: a layer of WSGI in front of moto's application.

Each keeps what it is told, in plain data that pickles, and answers as the service does: lifecycle.py, budgets.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from lab import calls
from lab.rules.common import Refusal


class Service(Protocol):
    """A service: what it answers to a request of its protocol. Raises Refusal."""

    def answer(
        self, action: str, body: Mapping[str, Any], query: Mapping[str, list[str]], /
    ) -> Mapping[str, Any]: ...


class Own:
    """A WSGI application: what is asked of our services is answered, everything else goes on to `moto`."""

    def __init__(self, moto: Any, services: Callable[[], Mapping[str, Service]]) -> None:
        self._moto = moto
        self._services = services

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = calls.read(environ)
        service = self._services().get(call.service)
        if service is None:
            passed: Iterable[bytes] = self._moto(environ, start_response)
            return passed
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(size) or b"{}")
        query = parse_qs(environ.get("QUERY_STRING", ""))
        try:
            told = service.answer(call.action, body, query)
            response = Response(json.dumps(told), content_type="application/json")
        except Refusal as refusal:
            response = refused(refusal)
        return response(environ, start_response)


def refused(refusal: Refusal) -> Response:
    """An error as the services that speak JSON write it, with or without REST."""
    body = json.dumps({"__type": refusal.code, "message": refusal.message, "Message": refusal.message})
    response = Response(body, refusal.status, content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-errortype"] = refusal.code
    return response
