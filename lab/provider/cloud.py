"""The AWS API of the lab, and waiting for what it does.

Only ever talks to the endpoint it is given, with made-up keys: nothing here can reach an AWS account.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.provider.values import State
from workbench.errors import WorkbenchError

POLL_SECONDS = 0.2
DEPENDENCY_SECONDS = 15.0
_limit: ContextVar[float] = ContextVar("limit", default=0.0)
_GONE = ("NoSuchEntity", "NoSuchHostedZone")


def code(error: ClientError) -> str:
    """The AWS error code, such as `InvalidVolume.NotFound`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_gone(error: ClientError) -> bool:
    """True when the error says that the thing does not exist."""
    return code(error).endswith("NotFound") or code(error) in _GONE


@contextmanager
def gone_is_fine(*also: str) -> Iterator[None]:
    """Inside, an error that says that the thing does not exist (or one of the codes in `also`) is no error."""
    try:
        yield
    except ClientError as error:
        if not (is_gone(error) or code(error) in also):
            raise


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Inside, waits last up to `seconds`, as the program's customTimeouts say; 0 leaves the limits as they are."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)


class Cloud:
    """Clients for one region of one endpoint; safe to use from many threads."""

    def __init__(self, region: str, endpoint: str) -> None:
        self.region = region
        self.endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._account: str | None = None

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                keys: dict[str, Any] = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
                session: Any = boto3.Session(region_name=self.region, **keys)
                # One attempt: a call that is repeated could make a thing twice. No proxy: it is on this machine.
                # the lab answers when the machine has done it, which takes a busy computer more than the usual minute
                config = Config(
                    retries={"total_max_attempts": 1}, read_timeout=600, max_pool_connections=32, proxies={}
                )
                self._clients[service] = session.client(service, endpoint_url=self.endpoint, config=config)
            return self._clients[service]

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self._client("ec2")

    @property
    def iam(self) -> Any:
        """The IAM client."""
        return self._client("iam")

    @property
    def route53(self) -> Any:
        """The Route 53 client."""
        return self._client("route53")

    @property
    def ssm(self) -> Any:
        """The Systems Manager client."""
        return self._client("ssm")

    @property
    def sts(self) -> Any:
        """The Security Token Service client."""
        return self._client("sts")

    @property
    def account(self) -> str:
        """The account's number."""
        if self._account is None:
            self._account = str(self.sts.get_caller_identity()["Account"])
        return self._account

    def arn(self, template: str, known: State) -> str:
        """The ARN for which `template` has {region}, {account} and names of what is known."""
        return template.format(**{**known, "region": self.region, "account": self.account})

    def ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        """The whole answer, all its pages, of a call such as `ec2.describe_vpcs`."""
        service, _, operation = call.partition(".")
        client = self._client(service)
        if client.can_paginate(operation):
            return dict(client.get_paginator(operation).paginate(**arguments).build_full_result())
        return dict(getattr(client, operation)(**arguments))

    def ec2_arn(self, resource: str) -> str:
        """The ARN of an EC2 resource, such as `vpc/vpc-1`."""
        return f"arn:aws:ec2:{self.region}:{self.account}:{resource}"

    def find(self, operation: str, key: str, **arguments: Any) -> dict[str, Any] | None:
        """The only item that an EC2 describe call finds, or None when there is none."""
        try:
            found = getattr(self.ec2, operation)(**arguments)[key]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return found[0] if found else None

    def wait(self, what: str, done: Callable[[], bool], seconds: float) -> None:
        """Ask `done` every 0.2 s; raises WorkbenchError after `seconds` (`what` reads like "vol-1 to be free").

        Inside `patience`, its limit holds instead of `seconds`.
        """
        limit = _limit.get() or seconds
        until = time.monotonic() + limit
        while not done():
            if time.monotonic() > until:
                raise WorkbenchError(f"gave up waiting for {what} after {limit:g} s")
            time.sleep(POLL_SECONDS)

    def once_free(self, call: Callable[[], Any], *busy: str) -> None:
        """Do `call`, again for a few seconds while it fails with one of the codes in `busy`."""
        until = time.monotonic() + DEPENDENCY_SECONDS
        while True:
            try:
                call()
                return
            except ClientError as error:
                if code(error) not in busy or time.monotonic() > until:
                    raise
            time.sleep(POLL_SECONDS)

    def retag(self, resource: str, olds: Mapping[str, str], news: Mapping[str, str]) -> None:
        """Change the tags of an EC2 resource from `olds` to `news`."""
        dropped = [{"Key": key} for key in olds if key not in news]
        if dropped:
            self.ec2.delete_tags(Resources=[resource], Tags=dropped)
        changed = [{"Key": k, "Value": v} for k, v in news.items() if olds.get(k) != v]
        if changed:
            self.ec2.create_tags(Resources=[resource], Tags=changed)


# ---- tags, as EC2 writes them


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """A map of tags as the API wants it."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_specifications(resource: str, inputs: State) -> dict[str, Any]:
    """The argument that tags an EC2 resource as it is made; empty when there are no tags."""
    tags = tag_list(inputs.get("tags"))
    return {"TagSpecifications": [{"ResourceType": resource, "Tags": tags}]} if tags else {}


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """The API's tags as a map, without those of AWS itself."""
    return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}


def tag_state(tags: list[dict[str, str]] | None) -> State:
    """The two properties that every tagged resource has."""
    return {"tags": tag_map(tags), "tagsAll": tag_map(tags)}


def given(inputs: State, names: Mapping[str, str]) -> dict[str, Any]:
    """The inputs that were given, under the API's names: names maps ours to theirs."""
    return {theirs: inputs[ours] for ours, theirs in names.items() if ours in inputs}
