"""A message to a webhook: {"text": ...}, as Slack's and Mattermost's take it. Its address is a secret, never said."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from workbench_host.tools import FailureError

TIMEOUT_SECONDS = 30


class Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: what is posted would be lost on the way, and the address could be told to others."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None is to take the answer for what it is."""


def send(address: str, text: str) -> None:
    """Posts the text. Raises FailureError, without the address, where that is not answered with success."""
    host = urlsplit(address).hostname
    request = urllib.request.Request(
        address,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "workbench"},
        method="POST",
    )
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(Stay, secure, urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(300).decode(errors="replace")
        words = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())
        raise FailureError(
            f"the webhook at {host} answered with status {error.code}{f': {words}' if words else ''}"
        ) from None
    except urllib.error.URLError as error:
        raise FailureError(f"the webhook at {host} could not be reached: {_trouble(error.reason)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FailureError(f"the webhook at {host} could not be reached: {_trouble(error)}") from None


def _trouble(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, socket.gaierror):
        return f"DNS does not know it ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS} s"
    return getattr(error, "strerror", None) or type(error).__name__
