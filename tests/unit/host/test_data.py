"""Credentials for data: to whom they are given, for how long they are kept, and what is refused.

Programs of other users are children of the test that have given up root, on real sockets of loopback; STS is moto's,
which keeps a session's policy as text and judges nothing by it.
"""

import asyncio
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import ContainerProvider
from moto.server import ThreadedMotoServer

from workbench_host import aws, data
from workbench_host.data import command, peers, server, sessions

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


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The deploy's file; ada and grace are users."""

    def known(uid: int) -> Any:
        if uid not in NAMES:
            raise KeyError
        return type("Account", (), {"pw_name": NAMES[uid]})

    monkeypatch.setattr(server.pwd, "getpwuid", known)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(told()))
    return path


# ---- whose connection it is


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


# ---- what is answered


@needs_root
def test_a_member_gets_credentials_that_are_asked_for_once(config: Path) -> None:
    with serving(config, Sts()) as running:
        first, second = running.ask(ADA), running.ask(ADA)
        assert first[0] == 200
        assert first == second
        assert first[1]["AccessKeyId"] == "ASIA1"
        assert running.ask(ADA, "/places") == (200, {"places": [PLACE]})


@needs_root
def test_credentials_that_end_soon_are_not_given_again(config: Path) -> None:
    """botocore asks a quarter of an hour before the end."""
    with serving(config, Sts(seconds=19 * 60)) as running:
        assert running.ask(ADA)[1]["AccessKeyId"] != running.ask(ADA)[1]["AccessKeyId"]


@needs_root
def test_others_are_told_why_they_get_none(config: Path) -> None:
    with serving(config, Sts()) as running:
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
def test_a_changed_group_counts_with_the_next_request(config: Path) -> None:
    with serving(config, Sts()) as running:
        before = running.ask(ADA)[1]
        wider = {"sets": [{"places": [0], "policy": '{"wider": 1}'}], "people": {"ada": 0, "grace": 0}}
        _replace(config, told(**wider))
        after, grace = running.ask(ADA)[1], running.ask(GRACE)[1]
        assert len({one["AccessKeyId"] for one in (before, after, grace)}) == 3, "nobody has another's"
        _replace(config, told(people={}))
        assert running.ask(ADA)[0] == 403
        config.unlink()
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
def test_what_no_sdk_would_ask_is_refused(config: Path, request_: dict[str, str], status: int) -> None:
    """A program of ada's that fetches what strangers name (a Shiny app, a notebook) sends none of it."""
    with serving(config, Sts()) as running:
        assert running.ask(ADA, **request_)[0] == status
        assert running.ask(ADA, method="POST")[0] == 404
        assert running.ask(ADA, path="/../etc/passwd")[0] == 404


@needs_root
def test_where_aws_gives_none_it_is_said_and_not_tried_at_each_request(config: Path) -> None:
    with serving(config, Sts(problem="STS answers AccessDenied")) as running:
        status, said = running.ask(ADA)
        assert (status, running.ask(ADA)[0]) == (503, 503)
        assert "AWS gives no credentials at present: STS answers AccessDenied." in said["message"]


def test_many_that_ask_at_once_are_one_call_and_a_failure_counts_for_a_while(config: Path) -> None:
    async def ask(sts: Sts, times: int) -> list[Any]:
        given = sessions.Sessions(sessions.Wanted(str(config)), sts)
        return await asyncio.gather(*(given.of("ada") for _ in range(times)), return_exceptions=True)

    sts = Sts()
    sts.takes = 0.1
    assert len({one["AccessKeyId"] for one in asyncio.run(ask(sts, 20))}) == 1
    assert sts.asked == [("ada", "{}")]
    failing = Sts(problem="STS answers AccessDenied")

    async def again() -> None:
        given = sessions.Sessions(sessions.Wanted(str(config)), failing)
        for _ in range(5):
            with pytest.raises(sessions.RefusedError):
                await given.of("ada")

    asyncio.run(again())
    assert len(failing.asked) == 1


@needs_root
def test_many_processes_of_a_user_that_begin_at_once_all_get_theirs(config: Path) -> None:
    """As those of a cluster on one machine do; kube2iam's and kiam's users, and ECS's, are told that it is too much."""
    sts = Sts()
    sts.takes = 0.5
    with serving(config, sts) as running:

        def begin() -> list[int]:
            with ThreadPoolExecutor(40) as pool:
                return list(pool.map(lambda _: running._ask("/", "GET", GOOD)[0], range(40)))

        assert as_user(ADA, begin) == [200] * 40


@needs_root
def test_one_user_cannot_take_all_connections(config: Path) -> None:
    with serving(config, Sts()) as running:

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


# ---- AWS's own programs


@needs_root
def test_botocore_takes_them_and_says_why_there_are_none(config: Path) -> None:
    with serving(config, Sts()) as running:
        address = f"http://127.0.0.1:{running.port}/"
        variables = {**data.WITH_DATA, "AWS_CONTAINER_CREDENTIALS_FULL_URI": address}

        def load() -> Any:
            return ContainerProvider(environ=variables).load().get_frozen_credentials()._asdict()

        assert as_user(ADA, load) == {
            "access_key": "ASIA1",
            "secret_key": "s",
            "token": "t",
            "account_id": None,
        }
        assert "grace is in no group that has data in S3" in as_user(GRACE, load)


def test_the_role_is_taken_on_for_an_hour_in_the_users_name_and_with_the_groups_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aws, "credentials", lambda _: aws.Credentials("AKIDEXAMPLE", "secret", "token"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    running = ThreadedMotoServer(port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        given = sessions.assume(told(endpoint=endpoint), sessions.Entitled("ada", (), '{"a": "é +&"}'))
        who = boto3.client(
            "sts", region_name="eu-west-1", endpoint_url=endpoint, aws_access_key_id=given.told["AccessKeyId"],
            aws_secret_access_key=given.told["SecretAccessKey"], aws_session_token=given.told["Token"],
        ).get_caller_identity()  # fmt: skip
    finally:
        running.stop()
    assert who["Arn"].endswith(":assumed-role/workbench-dev-data/ada@dev")
    assert timedelta(minutes=59) < given.ends - datetime.now(UTC) <= timedelta(hours=1)


# ---- the command


def test_the_command_prints_places_and_credentials_as_programs_take_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {
        "AccessKeyId": "A",
        "SecretAccessKey": "S/+",
        "Token": "T==",
        "Expiration": "2026-11-28T10:00:00Z",
    }
    wide = {**PLACE, "bucket": "acme-results", "write": True, "prefix": ""}
    monkeypatch.setattr(command, "ask", lambda path: {"places": [PLACE, wide]} if path == "/places" else keys)
    assert command.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "s3://acme-raw/a/    read         eu-west-1",
        "s3://acme-results/  read, write  eu-west-1",
    ]
    assert command.main(["env"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "export AWS_ACCESS_KEY_ID='A'",
        "export AWS_SECRET_ACCESS_KEY='S/+'",
    ]
    assert command.main(["credentials"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "Version": 1,
        "AccessKeyId": "A",
        "SecretAccessKey": "S/+",
        "SessionToken": "T==",
        "Expiration": "2026-11-28T10:00:00Z",
    }
    assert command.main(["other"]) == 2


def test_without_the_service_the_command_says_whom_to_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(command, "PORT", port)
    assert command.main([]) == 1
    assert "No data is set up on this workbench" in capsys.readouterr().err


def test_sessions_find_the_service_where_there_is_data_and_never_the_metadata_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "CONFIG", str(tmp_path / "data.json"))
    assert data.environment() == {"AWS_EC2_METADATA_DISABLED": "true"}
    (tmp_path / "data.json").touch()
    assert data.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:59/"
