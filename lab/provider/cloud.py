"""The AWS API of the lab, and waiting for what it does.

Only ever talks to the endpoint it is given, with made-up keys: nothing here can reach an AWS account.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from workbench.errors import WorkbenchError

POLL_SECONDS = 0.2
DEPENDENCY_SECONDS = 15.0
_limit: ContextVar[float] = ContextVar("limit", default=0.0)
_BUSY = ("DependencyViolation", "VolumeInUse", "InvalidIPAddress.InUse")
_GONE = ("NoSuchEntity", "NoSuchHostedZone", "ResourceNotFoundException", "NotFoundException")


def code(error: ClientError) -> str:
    """The AWS error code, such as `InvalidVolume.NotFound`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_gone(error: ClientError) -> bool:
    """True when the error says that the thing does not exist."""
    return code(error).endswith("NotFound") or code(error) in _GONE


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Inside, an error that says that the thing does not exist is no error."""
    try:
        yield
    except ClientError as error:
        if not is_gone(error):
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
    def account(self) -> str:
        """The account's number."""
        if self._account is None:
            self._account = str(self.ask("sts.get_caller_identity")["Account"])
        return self._account

    @property
    def ec2_arns(self) -> str:
        """How the ARNs of EC2's resources in this region begin."""
        return f"arn:aws:ec2:{self.region}:{self.account}:"

    def ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        """The whole answer, all its pages, of a call such as `ec2.describe_vpcs`."""
        service, _, operation = call.partition(".")
        client = self._client(service)
        if client.can_paginate(operation):
            return dict(client.get_paginator(operation).paginate(**arguments).build_full_result())
        return dict(getattr(client, operation)(**arguments))

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

    def once_free(self, call: Callable[[], Any]) -> None:
        """Do `call`, again for a few seconds while it fails because something else holds what it needs."""
        until = time.monotonic() + DEPENDENCY_SECONDS
        while True:
            try:
                call()
                return
            except ClientError as error:
                if code(error) not in _BUSY or time.monotonic() > until:
                    raise
            time.sleep(POLL_SECONDS)
