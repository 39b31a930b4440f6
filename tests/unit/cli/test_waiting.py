"""Waits for what AWS does: each has an end, and says what it was for; credentials that have expired are told apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from cli import cloud, expired, main, swapping, waiting
from cli.disks import Disks
from cli.waiting import until
from tests.unit.cli.stack_on_moto import REGION, STACK, World, world
from tests.unit.cli.test_doctor import FACTS
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError

ATTACHMENT = "urn::aws:ec2/volumeAttachment:VolumeAttachment::data"


@pytest.fixture
def aws(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.2)
    with world(ec2, tmp_path, monkeypatch) as made:
        yield made


def test_a_wait_ends_and_says_what_is_how_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    said = r"^The volume vol-1 is detaching, and not available as it should be, after \d+ s: take it away\.$"
    with pytest.raises(WorkbenchError, match=said):
        until(lambda: "detaching", str, "available", "the volume vol-1", 0.1, "take it away")
    answers = iter(["attaching", "attaching", "attached"])
    assert until(lambda: next(answers), str, "attached", "the volume") == "attached"


def test_a_wait_tells_now_and_then_how_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(waiting, "TELL_SECONDS", -1)
    answers = iter(["detaching", "available"])
    until(lambda: next(answers), str, "available", "the volume vol-1")
    assert capsys.readouterr().out == "  the volume vol-1 is detaching ...\n"


def test_a_wait_for_what_failed_or_is_gone_ends_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(waiting, "KNOWN_SECONDS", 0)
    for state, found in (("error", "error"), ("gone", None)):
        with pytest.raises(WorkbenchError, match=f"The volume is {state}, and not available"):
            until(lambda found=found: found, str, "available", "the volume")


def test_what_is_gone_already_is_deleted(aws: World) -> None:
    aws.disks().delete_volume("vol-00000000000000000")
    aws.disks().delete_snapshot("snap-00000000000000000")


def describes(aws: World, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """AWS says of each attachment that it is in that state, whatever is done."""
    plain = aws.ec2.describe_volumes

    def told(**asked: Any) -> Any:
        answer = plain(**asked)
        for volume in answer["Volumes"]:
            for attached in volume["Attachments"]:
                attached["State"] = state
        return answer

    monkeypatch.setattr(aws.ec2, "describe_volumes", told)


def test_a_detach_that_hangs_names_the_server_and_the_command_and_is_asked_for_once(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, server = aws.up()
    asked: list[str] = []
    monkeypatch.setattr(aws.ec2, "detach_volume", lambda VolumeId, **_: asked.append(VolumeId))
    said = rf"{data} is attached, .*{server} does not let go of it; `aws ec2 detach-volume --force --volume-id {data}`"
    with pytest.raises(WorkbenchError, match=said):
        aws.disks().detach(data, server)
    describes(aws, monkeypatch, "detaching")
    with pytest.raises(WorkbenchError, match=f"{data} is detaching, and not available"):
        aws.disks().detach(data, server)
    assert asked == [data]


def test_a_volume_is_attached_once_aws_says_so_and_not_when_it_is_in_use(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, server = aws.volume(), aws.server()
    describes(aws, monkeypatch, "attaching")
    with pytest.raises(WorkbenchError, match=f"{volume} is attaching, .* AWS does not get it to .*{server}"):
        aws.disks().attach(volume, server, volumes.DEVICE)


def test_a_snapshot_that_never_ends_is_given_up_and_goes_on(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli import disks

    snapshot = aws.snapshot(aws.volume(), "one")
    told = aws.ec2.describe_snapshots(SnapshotIds=[snapshot])
    told["Snapshots"][0] |= {"State": "pending", "Progress": "7%"}
    monkeypatch.setattr(aws.ec2, "describe_snapshots", lambda **_: told)
    monkeypatch.setattr(disks, "_SNAPSHOT_SECONDS", 0)
    with pytest.raises(
        WorkbenchError, match=rf"at the snapshot one \({snapshot}, .*7%\); it goes on with it"
    ):
        aws.disks().completed(snapshot)


def test_a_refusal_while_a_volume_is_looked_at_is_a_sentence(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "RequestExpired", "Message": "Request has expired."}}, "Describe"
        )

    disks = aws.disks()
    monkeypatch.setattr(aws.ec2, "describe_volumes", refuse)
    with pytest.raises(WorkbenchError, match=r"Asking for the volume vol-1 failed, .*Request has expired"):
        disks.volume("vol-1")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            {"Reservations": [{"Instances": [{"State": {"Name": "stopping"}}]}]},
            "it is stopping after 10 minutes",
        ),
        (
            {"Error": {"Code": "RequestExpired", "Message": "Request has expired."}},
            "expired (RequestExpired).",
        ),
    ],
)
def test_a_server_that_does_not_stop_in_time_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, last: Any, said: str
) -> None:
    class Ec2:
        def stop_instances(self, **_: Any) -> None: ...

        def get_waiter(self, name: str) -> Any:
            return self

        def wait(self, **_: Any) -> None:
            raise WaiterError("InstanceStopped", "Max attempts exceeded", last)

    monkeypatch.setattr(cloud, "client", lambda *_: Ec2())
    monkeypatch.setattr(stacks, "aws_config", lambda stack=None: stacks.AwsConfig(REGION, None))
    with pytest.raises(WorkbenchError) as told:
        cloud.stop(FACTS)
    assert str(told.value).startswith(f"The server {FACTS.instance_id} could not be stopped: ")
    assert said in str(told.value)


def test_a_question_to_pulumi_that_gets_no_answer_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "pulumi"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(stacks, "ANSWER_SECONDS", 0.2)
    with pytest.raises(WorkbenchError, match=r"`pulumi whoami` did not end within .* backend to be reached"):
        stacks.pulumi("whoami")


# A volume that nothing has, though the state says otherwise.


def exported(aws: World) -> dict[str, Any]:
    told = aws.exported()
    told["deployment"]["resources"].append({"type": ATTACHMENT.split("::")[1], "urn": ATTACHMENT})
    return told


def test_the_state_forgets_an_attachment_that_is_none(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    data, server = aws.up()
    dropped: list[str] = []
    monkeypatch.setattr(swapping, "drop", lambda stack, urn: dropped.append(urn))
    assert not swapping.settle(STACK, exported(aws)), "it is attached"
    aws.ec2.detach_volume(VolumeId=data, InstanceId=server)
    assert not swapping.settle(STACK, aws.exported()), "the state knows it"
    assert swapping.settle(STACK, exported(aws))
    assert dropped == [ATTACHMENT]
    aws.ec2.terminate_instances(InstanceIds=[server])
    assert not swapping.settle(STACK, exported(aws)), "the engine makes both anew"


def test_going_back_waits_for_a_detach_that_was_begun(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    data, server = aws.up()
    snapshot = aws.snapshot(data, "one")
    incoming = aws.volume(volumes.INCOMING, RestoredFrom=snapshot)
    describes(aws, monkeypatch, "detaching")
    did: list[str] = []
    monkeypatch.setattr(Disks, "detach", lambda self, volume, server: did.append(f"waits for {volume}"))
    monkeypatch.setattr(Disks, "attach", lambda self, volume, server, at: did.append(f"attaches {volume}"))
    (one,) = aws.disks().volumes(volumes.INCOMING)
    swapping.go_back(aws.disks(), one)
    assert did == [f"waits for {data}", f"attaches {data}"]
    assert aws.roles() == {data: volumes.DATA}, incoming
    assert aws.holder(data) == server


# Credentials that have expired.


@pytest.mark.parametrize(
    "said",
    [
        "AWS did not say: An error occurred (RequestExpired) when calling the DescribeVpcs operation: no.",
        "server: api error ExpiredToken: The security token included in the request is expired",
        "(code=Unknown): ExpiredToken: The provided token has expired.",
        "An error occurred (ExpiredTokenException) when calling the GetParameter operation",
        "Error when retrieving token from sso: Token has expired and refresh failed",
        "The SSO session associated with this profile has expired or is otherwise invalid.",
        "failed to refresh cached credentials, refresh cached SSO token failed, unable to refresh SSO token",
    ],
)
def test_credentials_that_have_expired_are_told_by_what_to_do(said: str) -> None:
    assert "renew them (`aws sso login`" in expired.hint(said)


def test_other_refusals_are_none_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expired.hint("The certificate has expired.") == ""
    assert expired.hint("AWS refused: You are not authorized to perform this operation.") == ""
    for said, lines in (("It is full.", 1), ("AWS refused: Request has expired.", 2)):

        def fail(said: str = said) -> None:
            raise WorkbenchError(said)

        monkeypatch.setattr(main, "app", fail)
        with pytest.raises(SystemExit) as ended:
            main.run()
        assert ended.value.code == 1
        assert capsys.readouterr().err.strip().count("\n") + 1 == lines
