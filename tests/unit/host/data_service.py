"""The service of data in a process of the test's, and users who ask it, children that have given up root.

The sockets are real ones, of loopback; what hands out sessions is a stand-in for STS.
"""

import asyncio
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench_host import aws, data
from workbench_host.data import server, sessions

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users, as root alone may")
ADA, GRACE = 4001, 4002
NAMES = {ADA: "ada", GRACE: "grace"}
PLACE = {"bucket": "acme-raw", "prefix": "a/", "write": False, "region": "eu-west-1"}
GOOD = {"Authorization": data.AUTHORIZATION}


def told(**changes: Any) -> dict[str, Any]:
    return {
        "stack": "dev",
        "role": "arn:aws:iam::123456789012:role/workbench-dev-data",
        "region": "eu-west-1",
        "endpoint": "http://127.0.0.1:1",
        "places": [PLACE],
        "sets": [{"places": [0], "policy": "{}"}],
        "people": {"ada": 0},
        **changes,
    }


class Sts:
    """Hands out sessions, and remembers for whom."""

    def __init__(self, seconds: float = 3600, problem: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self.seconds, self.problem, self.takes = seconds, problem, 0.0

    def __call__(self, _: Mapping[str, Any], who: sessions.Entitled) -> sessions.Session:
        self.asked.append((who.name, who.policy))
        time.sleep(self.takes)
        if self.problem:
            raise aws.AskError(self.problem)
        ends = datetime.now(UTC) + timedelta(seconds=self.seconds)
        keys = {"AccessKeyId": f"ASIA{len(self.asked)}", "SecretAccessKey": "s", "Token": "t"}
        return sessions.Session({**keys, "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}, ends)


class Running:
    """A server at work in a process of its own; `asked` by a user, in another one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, uid: int, path: str = "/", method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer of a request by a process of that user."""
        status, answer = as_user(uid, lambda: self._ask(path, method, headers or GOOD))
        return status, answer

    def _ask(self, path: str, method: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers={"Host": data.ADDRESS, **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def as_user(uid: int, do: Callable[[], Any]) -> Any:
    """What `do` gives in a child of that user's."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writable, json.dumps(do()).encode())
        except BaseException as error:
            os.write(writable, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said)


@contextmanager
def serving(
    config: Path, ask: Callable[..., sessions.Session], notes: Path | None = None
) -> Iterator[Running]:
    listening = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        try:
            wanted = sessions.Wanted(str(config))
            asyncio.run(server.run(listening, wanted, sessions.Sessions(wanted, ask)))
        finally:
            os._exit(0)
    port = listening.getsockname()[1]
    listening.close()
    try:
        yield Running(port)
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)
