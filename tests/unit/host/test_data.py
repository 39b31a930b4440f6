"""Credentials for data: to whom they are given, for how long they are kept, and what is refused."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.data_service import (
    ADA,
    GOOD,
    GRACE,
    PLACE,
    Sts,
    as_user,
    needs_root,
    serving,
    told,
)
from workbench_host import data, peers
from workbench_host.data import sessions


@needs_root
def test_a_connection_is_its_openers_as_long_as_it_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = listening.getsockname()
        opened = socket.create_connection(ours)
        os.fchown(opened.fileno(), ADA, ADA)  # as root alone may
        accepted, peer = listening.accept()
        assert peers.owner(peer, ours) == ADA
        opened.close()
        assert peers.owner(peer, ours) is None
        accepted.close()


@needs_root
def test_a_socket_of_both_families_is_its_openers_too() -> None:
    """As Java opens all of its sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_INET6) as opened:
        ours = listening.getsockname()
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        os.fchown(opened.fileno(), ADA, ADA)
        opened.connect((f"::ffff:{ours[0]}", ours[1]))
        accepted, peer = listening.accept()
        with accepted:
            assert peers.owner(peer, ours) == ADA


@needs_root
def test_who_listens_at_the_port_of_a_connection_that_is_gone_is_not_taken_for_its_opener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        assert peers.owner(other.getsockname(), listening.getsockname()) is None


@needs_root
def test_nobody_gives_a_socket_to_another_user() -> None:
    def give() -> str:
        mine = socket.socket()
        try:
            os.fchown(mine.fileno(), GRACE, -1)
        except PermissionError:
            return "refused"
        return "given"

    assert as_user(ADA, give) == "refused"


@needs_root
def test_a_member_gets_credentials_that_are_asked_for_once(granted: Path) -> None:
    with serving(granted, Sts()) as running:
        first, second = running.ask(ADA), running.ask(ADA)
        assert first[0] == 200
        assert first == second
        assert first[1]["AccessKeyId"] == "ASIA1"
        assert running.ask(ADA, "/places") == (200, {"places": [PLACE]})


@needs_root
def test_credentials_that_end_soon_are_not_given_again(granted: Path) -> None:
    """botocore asks a quarter of an hour before the end."""
    with serving(granted, Sts(seconds=19 * 60)) as running:
        assert running.ask(ADA)[1]["AccessKeyId"] != running.ask(ADA)[1]["AccessKeyId"]


@needs_root
def test_others_are_told_why_they_get_none(granted: Path) -> None:
    with serving(granted, Sts()) as running:
        status, said = running.ask(GRACE)
        assert (status, said["code"]) == (403, "Forbidden")
        assert said["message"].startswith("grace is in no group that has data in S3 (services.data.s3).")
        assert running.ask(GRACE, "/places")[0] == 403
        for nobody in (0, 4999):
            status, said = running.ask(nobody)
            assert (status, said["message"]) == (
                403,
                "Data is for users of the workbench, and not for this account.",
            )


@needs_root
def test_a_changed_group_counts_with_the_next_request(granted: Path) -> None:
    with serving(granted, Sts()) as running:
        before = running.ask(ADA)[1]
        wider = {"sets": [{"places": [0], "policy": '{"wider": 1}'}], "people": {"ada": 0, "grace": 0}}
        _replace(granted, told(**wider))
        after, grace = running.ask(ADA)[1], running.ask(GRACE)[1]
        assert len({one["AccessKeyId"] for one in (before, after, grace)}) == 3, "nobody has another's"
        _replace(granted, told(people={}))
        assert running.ask(ADA)[0] == 403
        granted.unlink()
        assert running.ask(GRACE)[0] == 403


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content))
    new.replace(path)


@needs_root
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"Accept": "*/*"}, 401),
        ({"Authorization": "other"}, 401),
        ({**GOOD, "X-Forwarded-For": "192.0.2.1"}, 403),
        ({**GOOD, "Forwarded": "for=192.0.2.1"}, 403),
        ({**GOOD, "Host": "evil.example"}, 403),
    ],
)
def test_what_no_sdk_would_ask_is_refused(granted: Path, request_: dict[str, str], status: int) -> None:
    """A program of ada's that fetches what strangers name (a Shiny app, a notebook) sends none of it."""
    with serving(granted, Sts()) as running:
        assert running.ask(ADA, **request_)[0] == status
        assert running.ask(ADA, method="POST")[0] == 404
        assert running.ask(ADA, path="/../etc/passwd")[0] == 404


@needs_root
def test_where_aws_gives_none_it_is_said_and_not_tried_at_each_request(granted: Path) -> None:
    with serving(granted, Sts(problem="STS answers AccessDenied")) as running:
        status, said = running.ask(ADA)
        assert (status, running.ask(ADA)[0]) == (503, 503)
        assert "AWS gives no credentials at present: STS answers AccessDenied." in said["message"]


def test_many_that_ask_at_once_are_one_call_and_a_failure_counts_for_a_while(granted: Path) -> None:
    async def ask(sts: Sts, times: int) -> list[Any]:
        given = sessions.Sessions(sessions.Wanted(str(granted)), sts)
        return await asyncio.gather(*(given.of("ada") for _ in range(times)), return_exceptions=True)

    sts = Sts()
    sts.takes = 0.1
    assert len({one["AccessKeyId"] for one in asyncio.run(ask(sts, 20))}) == 1
    assert sts.asked == [("ada", "{}")]
    failing = Sts(problem="STS answers AccessDenied")

    async def again() -> None:
        given = sessions.Sessions(sessions.Wanted(str(granted)), failing)
        for _ in range(5):
            with pytest.raises(sessions.RefusedError):
                await given.of("ada")

    asyncio.run(again())
    assert len(failing.asked) == 1


@needs_root
def test_many_processes_of_a_user_that_begin_at_once_all_get_theirs(granted: Path) -> None:
    """As those of a cluster on one machine do; kube2iam's and kiam's users, and ECS's, are told that it is too much."""
    sts = Sts()
    sts.takes = 0.5
    with serving(granted, sts) as running:

        def begin() -> list[int]:
            with ThreadPoolExecutor(40) as pool:
                return list(pool.map(lambda _: running._ask("/", "GET", GOOD)[0], range(40)))

        assert as_user(ADA, begin) == [200] * 40


@needs_root
def test_one_user_cannot_take_all_connections(granted: Path) -> None:
    with serving(granted, Sts()) as running:

        def flood() -> int:
            """How many of a hundred silent connections stay."""
            held = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(100)]
            time.sleep(0.5)
            stay = 0
            for one in held:
                one.setblocking(False)
                try:
                    one.recv(1)
                except BlockingIOError:
                    stay += 1
            return stay

        assert as_user(GRACE, flood) == data.CONNECTIONS
        assert running.ask(ADA)[0] == 200
