"""AWS asked by the host itself: the role's credentials from the metadata service, and requests signed with them.

For root, which alone reaches the metadata service. Each program asks one or two things of one service, for which the
standard library is enough; Debian's botocore is 100 MB.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

METADATA = "http://169.254.169.254/latest"
ROLES = "/meta-data/iam/security-credentials/"
TIMEOUT_SECONDS = 20


class AskError(Exception):
    """AWS could not be asked; the text says why."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """Of a role, for some hours."""

    key: str
    secret: str
    token: str


@dataclass(frozen=True)
class Place:
    """Where a service is asked: its name in signatures (ec2), region and address."""

    service: str
    region: str
    endpoint: str


def credentials(timeout: float = TIMEOUT_SECONDS) -> Credentials:
    """Those of the server's role, from the metadata service, by its version 2. Raises AskError."""
    try:
        wanted = urllib.request.Request(
            f"{METADATA}/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        token = {"X-aws-ec2-metadata-token": read(wanted, timeout)}
        role = read(urllib.request.Request(f"{METADATA}{ROLES}", headers=token), timeout).strip()
        told = json.loads(read(urllib.request.Request(f"{METADATA}{ROLES}{role}", headers=token), timeout))
        return Credentials(told["AccessKeyId"], told["SecretAccessKey"], told["Token"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise AskError(f"the metadata service gives no credentials ({error})") from None


def read(request: urllib.request.Request, timeout: float = TIMEOUT_SECONDS) -> str:
    """The text of an answer; by no proxy, which would see what is secret."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return str(answer.read().decode())


def signed(
    own: Credentials, place: Place, parameters: Mapping[str, str], now: datetime
) -> urllib.request.Request:
    """A request of a query API that its signature makes ours.

    Source: AWS, "Create a signed AWS API request" (Signature Version 4).
    """
    parts, day, time = urlsplit(place.endpoint), f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
    body = urlencode(sorted(parameters.items()), quote_via=quote)
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": parts.netloc,
        "x-amz-date": time,
        "x-amz-security-token": own.token,
    }
    names = ";".join(headers)
    told = "".join(f"{name}:{value}\n" for name, value in headers.items())
    asked = "\n".join(["POST", "/", "", told, names, hashlib.sha256(body.encode()).hexdigest()])
    scope = f"{day}/{place.region}/{place.service}/aws4_request"
    signing = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{own.secret}".encode()
    for part in (day, place.region, place.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, signing.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={own.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return urllib.request.Request(f"{place.endpoint}/", data=body.encode(), headers=headers, method="POST")


def answered(
    own: Credentials, place: Place, parameters: Mapping[str, str], now: datetime, timeout: float
) -> ET.Element:
    """What the service answers. Raises AskError."""
    name = place.service.upper()
    try:
        return parsed(read(signed(own, place, parameters, now), timeout))
    except urllib.error.HTTPError as error:
        raise AskError(f"{name} answers {refusal(error)}") from None
    except (OSError, http.client.HTTPException, ValueError, ET.ParseError) as error:
        raise AskError(f"{name} could not be asked ({getattr(error, 'reason', error)})") from None


def parsed(text: str | bytes) -> ET.Element:
    """An answer of AWS's, which comes by TLS from AWS alone. Raises ParseError."""
    return ET.fromstring(text)  # noqa: S314


def refusal(error: urllib.error.HTTPError) -> str:
    """The code of an error of the service's, else the status."""
    with error, contextlib.suppress(ET.ParseError, OSError):
        if code := parsed(error.read(65536)).findtext(".//{*}Code"):
            return code
    return f"with status {error.code}"
