"""EC2 is asked when the newest snapshot was made: signed as botocore signs it, and answered by moto.

moto judges no signature; that ours is right, botocore's own signer says.
"""

import json
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

from workbench_host import alarms, aws
from workbench_host.alarms import snapshots

OWN = aws.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/token+=")
NOW = datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC)


def test_a_request_is_signed_as_botocore_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {
        "Action": "DescribeSnapshots",
        "Filter.1.Name": "volume-id",
        "Filter.1.Value.1": "vol-1 ~+/é",
    }
    ours = aws.signed(
        OWN, aws.Place("ec2", "eu-west-1", "https://ec2.eu-west-1.amazonaws.com"), parameters, NOW
    )
    assert isinstance(ours.data, bytes)
    theirs = AWSRequest(
        "POST",
        "https://ec2.eu-west-1.amazonaws.com/",
        data=ours.data,
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda remove_tzinfo=True: NOW.replace(tzinfo=None)
    )
    SigV4Auth(Credentials(OWN.key, OWN.secret, OWN.token), "ec2", "eu-west-1").add_auth(theirs)
    assert ours.get_header("Authorization") == theirs.headers["Authorization"]


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An EC2 of moto's, asked by boto3; and the credentials are somebody's."""
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(snapshots, "credentials", lambda: OWN)
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("ec2", region_name="eu-west-1", endpoint_url=f"http://{host}:{port}")
    try:
        yield client
    finally:
        server.stop()


def wanted(ec2: Any, volume: str) -> dict[str, Any]:
    return {"volume": volume, "region": "eu-west-1", "endpoint": ec2.meta.endpoint_url, "hours": 26}


def test_the_newest_snapshot_of_the_one_volume_counts(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = (ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"] for _ in range(2))
    assert snapshots.newest(OWN, wanted(ec2, mine), datetime.now(UTC)) is None
    ec2.create_snapshot(VolumeId=mine)
    second = ec2.create_snapshot(VolumeId=mine)["StartTime"]
    ec2.create_snapshot(VolumeId=other)
    found = snapshots.newest(OWN, wanted(ec2, mine), datetime.now(UTC))
    assert found is not None
    assert abs((found - second).total_seconds()) < 2


def test_what_cannot_be_asked_leaves_what_was_found_and_says_why(ec2: Any) -> None:
    before = {"volume": "vol-1", "first": "2026-11-20T00:00:00+00:00", "newest": "2026-11-27T23:00:00+00:00"}
    asked = {**wanted(ec2, "vol-1"), "endpoint": "http://127.0.0.1:1"}
    told = snapshots.ask(asked, before, NOW)
    assert told == {**before, "asked": "2026-11-28T03:04:05+00:00", "problem": told["problem"]}
    assert "EC2 could not be asked ([Errno 111] Connection refused)" in told["problem"]


def test_another_volume_begins_anew(ec2: Any) -> None:
    before = {"volume": "vol-1", "first": "2026-11-20T00:00:00+00:00", "newest": "2026-11-27T23:00:00+00:00"}
    told = snapshots.ask(wanted(ec2, "vol-2"), before, NOW)
    assert (told["first"], told["newest"], told["problem"]) == ("2026-11-28T03:04:05+00:00", None, None)


def test_a_refusal_is_named_by_its_code(tmp_path: Path) -> None:
    file = tmp_path / "answer"
    file.write_text("<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>")
    with file.open("rb") as body:
        error = urllib.error.HTTPError("https://x", 403, "Forbidden", None, body)  # type: ignore[arg-type]
        assert aws.refusal(error) == "UnauthorizedOperation"


def test_without_a_role_the_metadata_service_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "METADATA", "http://127.0.0.1:1")
    with pytest.raises(aws.AskError, match="the metadata service gives no credentials"):
        aws.credentials()


def test_the_program_writes_what_anybody_may_know(
    ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "CONFIG", str(tmp_path / "alarms.json"))
    monkeypatch.setattr(alarms, "SNAPSHOT", str(tmp_path / "snapshot.json"))
    (tmp_path / "alarms.json").write_text(json.dumps({"snapshots": None}))
    assert snapshots.main([]) == 0
    assert not (tmp_path / "snapshot.json").exists()
    (tmp_path / "alarms.json").write_text(json.dumps({"snapshots": wanted(ec2, "vol-1")}))
    assert snapshots.main([]) == 0
    told = json.loads((tmp_path / "snapshot.json").read_text())
    assert told["problem"] is None
    assert OWN.secret not in json.dumps(told)
