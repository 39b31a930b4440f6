"""Credentials for data as AWS's own programs take them, as STS gives them, and as the command prints them.

STS is moto's, which keeps a session's policy as text and judges nothing by it.
"""

import asyncio
import json
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import ContainerProvider
from moto.server import ThreadedMotoServer

from tests.unit.host.data_service import ADA, GRACE, PLACE, Sts, as_user, needs_root, serving, told
from workbench_host import aws, data
from workbench_host.data import command, sessions


@needs_root
def test_botocore_takes_them_and_says_why_there_are_none(granted: Path) -> None:
    with serving(granted, Sts()) as running, tempfile.NamedTemporaryFile("w") as token:
        token.write(data.AUTHORIZATION)
        token.flush()
        Path(token.name).chmod(0o644)
        variables = {
            **data.WITH_DATA,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{running.port}/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token.name,
        }

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


@pytest.mark.parametrize("ends", ["soon", ""])
def test_an_answer_of_stss_that_cannot_be_read_is_no_answer(
    granted: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    keys = "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>"
    answer = f"<R><Credentials>{keys}<Expiration>{ends}</Expiration></Credentials></R>"
    monkeypatch.setattr(aws, "credentials", lambda _: aws.Credentials("A", "S", "T"))
    monkeypatch.setattr(aws, "read", lambda *_: answer)
    given = sessions.Sessions(sessions.Wanted(str(granted)))
    with pytest.raises(
        sessions.RefusedError, match=r"AWS gives no credentials at present: STS answers without"
    ):
        asyncio.run(given.of("ada"))


def test_bytes_that_are_no_text_are_no_answer_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> str:
        return b"\xff".decode()

    monkeypatch.setattr(aws, "read", read)
    place, own = aws.Place("sts", "eu-west-1", "https://sts.example.org"), aws.Credentials("A", "S", "T")
    with pytest.raises(aws.AskError, match="STS could not be asked"):
        aws.answered(own, place, {}, datetime.now(UTC), 1)
