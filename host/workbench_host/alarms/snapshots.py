"""snapshots: asks EC2 when the newest snapshot of the data volume was made, for the alarm that none was.

For root, which alone reaches the metadata service and so has the credentials of the server's role; they may read the
list of snapshots (ec2:DescribeSnapshots, which cannot be limited to some) and nothing else. What it finds, which is no
secret, is in /var/lib/workbench-snapshots/snapshot.json: {"volume", "newest" (ISO time, null for none), "first" and
"asked" (when it was asked first and last), "problem" (why it could not be asked, null)}. alarms.json says in
"snapshots" what to ask: {"volume", "region", "endpoint", "hours"}.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from workbench_host import alarms
from workbench_host.tools import write

METADATA = "http://169.254.169.254/latest"
ROLES = "/meta-data/iam/security-credentials/"
TIMEOUT_SECONDS = 20
VERSION = "2016-11-15"  # of the EC2 API
PAGE = 1000  # snapshots in an answer; the API takes 5 to 1000


class AskError(Exception):
    """AWS could not be asked; the text says why."""


@dataclass(frozen=True)
class Credentials:
    """Of the server's role, for some hours."""

    key: str
    secret: str
    token: str


def credentials() -> Credentials:
    """From the metadata service, by its version 2. Raises AskError."""
    try:
        wanted = urllib.request.Request(
            f"{METADATA}/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        token = {"X-aws-ec2-metadata-token": read(wanted)}
        role = read(urllib.request.Request(f"{METADATA}{ROLES}", headers=token)).strip()
        told = json.loads(read(urllib.request.Request(f"{METADATA}{ROLES}{role}", headers=token)))
        return Credentials(told["AccessKeyId"], told["SecretAccessKey"], told["Token"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise AskError(f"the metadata service gives no credentials ({error})") from None


def read(request: urllib.request.Request) -> str:
    """The text of an answer; by no proxy, which would see what is secret."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read().decode())


def signed(
    own: Credentials, endpoint: str, region: str, parameters: Mapping[str, str], now: datetime
) -> urllib.request.Request:
    """A request of the EC2 API that its signature makes ours.

    Source: AWS, "Create a signed AWS API request" (Signature Version 4).
    """
    parts, day, time = urlsplit(endpoint), f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
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
    scope = f"{day}/{region}/ec2/aws4_request"
    signing = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{own.secret}".encode()
    for part in (day, region, "ec2", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, signing.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={own.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return urllib.request.Request(f"{endpoint}/", data=body.encode(), headers=headers, method="POST")


def newest(own: Credentials, wanted: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the newest snapshot of the volume was begun, unless it failed; None where there is none. Raises AskError."""
    found: list[datetime] = []
    page: dict[str, str] = {}
    while True:
        parameters = {
            "Action": "DescribeSnapshots",
            "Version": VERSION,
            "Owner.1": "self",
            "Filter.1.Name": "volume-id",
            "Filter.1.Value.1": wanted["volume"],
            "Filter.2.Name": "status",
            "Filter.2.Value.1": "completed",
            "Filter.2.Value.2": "pending",  # one that is being made, which takes hours where much has changed
            "MaxResults": str(PAGE),
            **page,
        }
        try:
            root = parsed(read(signed(own, wanted["endpoint"], wanted["region"], parameters, now)))
        except urllib.error.HTTPError as error:
            raise AskError(f"EC2 answers {refusal(error)}") from None
        except (OSError, http.client.HTTPException, ET.ParseError) as error:
            raise AskError(f"EC2 could not be asked ({getattr(error, 'reason', error)})") from None
        found += [
            datetime.fromisoformat(at.text)
            for at in root.iterfind("{*}snapshotSet/{*}item/{*}startTime")
            if at.text
        ]
        following = root.findtext("{*}nextToken")
        if not following:
            return max(found, default=None)
        page = {"NextToken": following}


def parsed(text: str | bytes) -> ET.Element:
    """An answer of AWS's, which comes by TLS from AWS alone. Raises ParseError."""
    return ET.fromstring(text)  # noqa: S314


def refusal(error: urllib.error.HTTPError) -> str:
    """The code of an error of EC2's, else the status."""
    with error, contextlib.suppress(ET.ParseError, OSError):
        if code := parsed(error.read(65536)).findtext(".//Code"):
            return code
    return f"with status {error.code}"


def ask(wanted: Mapping[str, Any], before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What is to be written, of what was written before. What was found stays where AWS cannot be asked."""
    time = now.isoformat(timespec="seconds")
    same = before.get("volume") == wanted["volume"]
    kept = {
        "volume": wanted["volume"],
        "asked": time,
        "first": before["first"] if same else time,
        "newest": before["newest"] if same else None,
    }
    try:
        found = newest(credentials(), wanted, now)
    except AskError as error:
        return {**kept, "problem": str(error)}
    return {**kept, "newest": found.isoformat(timespec="seconds") if found else None, "problem": None}


def main(arguments: Sequence[str]) -> int:
    if arguments:
        print("snapshots takes no arguments.", file=sys.stderr)
        return 2
    wanted, file = json.loads(Path(alarms.CONFIG).read_text())["snapshots"], Path(alarms.SNAPSHOT)
    if wanted is None:
        return 0
    before: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(file.read_text())
    told = ask(wanted, before, datetime.now(UTC))
    write(file, json.dumps(told))
    if told["problem"]:
        print(f"{told['problem']}.", file=sys.stderr)
    return 0
