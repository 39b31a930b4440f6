"""Errors as AWS's services write them, each in its protocol."""

from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from lab import own
from lab.calls import Call
from lab.rules import Refusal

REST = frozenset({"dlm", "scheduler"})  # which speak JSON, and not by the name of an action


def expired(call: Call) -> Refusal:
    """As AWS says that a session's credentials are over, which each protocol does in its own words."""
    if call.service == "ec2":
        return Refusal("RequestExpired", "Request has expired.")
    said = "The security token included in the request is expired"
    if call.json or call.service in REST:
        return Refusal("ExpiredTokenException", said)
    return Refusal("ExpiredToken", said, 403)


def error(call: Call, refusal: Refusal) -> Response:
    """The error as the service's protocol writes it."""
    code, message = escape(refusal.code), escape(refusal.message)
    if call.json or call.service in REST:
        return own.refused(refusal)
    request = "<RequestID>00000000-0000-0000-0000-000000000000</RequestID>"
    inner = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if call.service == "ec2":
        body = f"<Response><Errors>{inner}</Errors>{request}</Response>"
    else:
        body = f"<ErrorResponse>{inner}{request}</ErrorResponse>"
    return Response(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{body}', refusal.status, content_type="text/xml"
    )
