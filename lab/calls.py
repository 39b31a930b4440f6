"""One call of the AWS API as it arrives over HTTP: which service, which action, with what parameters."""

import io
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

READING = re.compile(r"(Describe|Get|List|Search|Lookup|Simulate|Test)")


@dataclass(frozen=True)
class Call:
    """What is asked; parameters of the query protocols under their wire names (SecurityGroupId.1)."""

    service: str
    region: str
    action: str
    """The action's name; for REST services (Route 53) the method and path."""
    changes: bool
    parameters: dict[str, str] = field(default_factory=dict)
    json: bool = False
    """Whether the service speaks JSON, else XML."""
    key: str = ""
    """The id of the access key that signed it."""

    def get(self, name: str) -> str:
        """The parameter, empty when it was not given."""
        return self.parameters.get(name, "")

    def all(self, name: str) -> list[str]:
        """The members of a list parameter, in their order."""
        found = re.compile(re.escape(name) + r"\.(\d+)$")
        members = [(int(m[1]), value) for key, value in self.parameters.items() if (m := found.match(key))]
        return [value for _, value in sorted(members)]

    def structures(self, name: str) -> list[dict[str, str]]:
        """The members of a list of structures, each with its own parameters."""
        found = re.compile(re.escape(name) + r"\.(\d+)\.(.+)$")
        members: dict[int, dict[str, str]] = {}
        for key, value in self.parameters.items():
            if m := found.match(key):
                members.setdefault(int(m[1]), {})[m[2]] = value
        return [members[index] for index in sorted(members)]


def read(environ: dict[str, Any]) -> Call:
    """Make a Call of a WSGI request; its body stays readable for the next application."""
    key, service, region = _scope(environ.get("HTTP_AUTHORIZATION", ""))
    body = _body(environ)
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        action = target.rsplit(".", 1)[-1]
        return Call(service, region, action, not READING.match(action), _json(body), json=True, key=key)
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        text = body.decode(errors="replace")
    else:
        text = environ.get("QUERY_STRING", "")
    parameters = dict(parse_qsl(text, keep_blank_values=True))
    if action := parameters.get("Action", ""):
        return Call(service, region, action, not READING.match(action), parameters, key=key)
    method = environ["REQUEST_METHOD"]
    path = f"{method} {environ.get('PATH_INFO', '/')}"
    owner = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER", "")
    named = {"ExpectedBucketOwner": owner} if owner else {}
    return Call(service, region, path, method not in ("GET", "HEAD"), named, key=key)


def write(call: Call, environ: dict[str, Any]) -> None:
    """Make the request carry the call's parameters (of a query protocol) as they are now."""
    body = urlencode(call.parameters).encode()
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _scope(authorization: str) -> tuple[str, str, str]:
    """Key, service and region of the signature: Credential=KEY/DAY/REGION/SERVICE/aws4_request."""
    found = re.search(r"Credential=([^/]*)/[^/]*/([^/]+)/([^/]+)/", authorization)
    return (found[1], found[3].lower(), found[2]) if found else ("", "", "")


def _body(environ: dict[str, Any]) -> bytes:
    if environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked":  # werkzeug has put it together
        body: bytes = environ["wsgi.input"].read()
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _json(body: bytes) -> dict[str, str]:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return {}
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}
