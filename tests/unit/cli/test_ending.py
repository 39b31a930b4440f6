"""The last snapshot of a stack, in the place of its data volume; the end of its data.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/stack_on_moto.py).
"""

from typing import Any

import pytest

from cli import destroy, ending, engine, restore, statefile
from cli.account import Found
from cli.described import Snapshot
from cli.disks import Disks
from tests.unit.cli.stack_on_moto import ID, STACK, WHOLE, KilledError, World
from workbench import images, leftovers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.leftovers import Leftover


@pytest.fixture
def destroyed(aws: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stack whose engine destroys its server; the id of its data volume."""
    volume, server = aws.up()

    aws.others = ["aws:ec2/instance:Instance"]

    class Question:
        """As `pulumi state`."""

        def __init__(self, area: str, verb: str, urn: str, _yes: str, *, stack: str) -> None:
            assert (area, urn, stack) == ("state", WHOLE, STACK)
            aws.protected = {"protect": True, "unprotect": False}[verb]

        def said(self) -> str:
            return ""

    def run(name: str, *operation: str, **_: Any) -> None:
        """As the engine: a state in which nothing is protected is empty afterwards."""
        aws.others, aws.lost = [], "data" not in aws.state and not aws.protected
        if operation[0] == "destroy" and aws.disks().server():
            aws.ec2.detach_volume(VolumeId=volume, InstanceId=server)
            aws.ec2.terminate_instances(InstanceIds=[server])

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(stacks, "Question", Question)
    return volume


def test_the_data_volume_becomes_a_last_snapshot_and_comes_back(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    (last,) = aws.disks().snapshots()
    assert (last.how, last.volume, last.state) == (volumes.FINAL, destroyed, "completed")
    assert (aws.roles(), aws.state) == ({}, {})
    said = capsys.readouterr().out
    assert f"`workbench restore {last.name} --stack prod` makes one" in said
    assert "What stays costs about 0.50 USD a month:" in said
    restore.restore(last.name, yes=True)
    assert list(aws.roles().values()) == [volumes.DATA]


def test_the_volume_stays_where_the_last_snapshot_fails(
    aws: World, destroyed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Disks.completed

    def failing(self: Disks, snapshot_id: str) -> Snapshot:
        raise WorkbenchError(f"AWS could not make the snapshot {snapshot_id}")

    monkeypatch.setattr(Disks, "completed", failing)
    with pytest.raises(WorkbenchError, match="could not make"):
        destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    assert (aws.roles(), aws.state) == ({destroyed: volumes.DATA}, {"data": destroyed})
    monkeypatch.setattr(Disks, "completed", plain)
    destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    assert aws.roles() == {}


def test_the_volume_stays_where_aws_does_not_say_that_the_snapshot_is_all_of_it(
    aws: World, destroyed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Disks, "snapshots", lambda self: [])
    with pytest.raises(WorkbenchError, match="the volume stays"):
        destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    assert aws.roles() == {destroyed: volumes.DATA}


@pytest.mark.parametrize("after", range(1, 5))
def test_killed_after_any_step_of_the_end_the_data_is_somewhere_and_the_next_run_ends_it(
    aws: World, destroyed: str, after: int
) -> None:
    aws.dies(after)
    try:
        destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    except KilledError:
        whole = [one for one in aws.disks().snapshots() if one.usable]
        assert destroyed in aws.roles() or whole
    aws.dies(-1)
    destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    assert aws.roles() == {}
    assert aws.disks().snapshots()


def test_an_ordinary_destroy_keeps_the_volume_and_says_what_it_costs(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    destroy.destroy(yes=True)
    assert aws.roles() == {destroyed: volumes.DATA}
    said = capsys.readouterr().out
    assert f"Kept: the data volume {destroyed}, with homes" in said
    assert "data volume (10 GiB gp3): about 0.80 USD a month" in said


def test_a_volume_that_was_kept_has_one_name_everywhere(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = aws.volume(volumes.KEPT)
    destroy.destroy(yes=True)
    assert "volume kept from before a restore (10 GiB gp3): about 0.80 USD" in capsys.readouterr().out
    assert str(leftovers.volume(kept, ID, 10, volumes.KEPT)).startswith("volume kept from before a restore")
    monkeypatch.setattr(ending.typer, "prompt", lambda *_, **__: "")
    with pytest.raises(WorkbenchError, match="nothing was deleted"):
        ending.delete_data()
    assert f"the volume kept from before a restore {kept}, 10 GiB" in capsys.readouterr().out


def test_a_second_destroy_leaves_the_stacks_id_in_the_state(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (destroy.DataKept.SNAPSHOT, destroy.DataKept.SNAPSHOT, destroy.DataKept.KEEP):
        destroy.destroy(data=data, yes=True)
        assert not aws.lost
    assert "--adopt" not in capsys.readouterr().out
    ending.delete_data(stack_name=STACK)
    destroy.destroy(yes=True)
    assert aws.lost, "there is nothing any more that could be known by it"


def test_a_destroy_after_a_killed_restore_leaves_the_stacks_id_in_the_state_while_there_is_data(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.state.clear()  # as a restore leaves it until the next `up`
    destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    assert (aws.roles(), aws.lost, aws.protected) == ({}, False, True)
    assert "--adopt" not in capsys.readouterr().out
    ending.delete_data(stack_name=STACK)
    destroy.destroy(yes=True)
    assert (aws.lost, aws.protected) == (True, False), "`pulumi stack rm` finds nothing in it"


def test_a_state_is_read_twice_for_a_destroy_that_nobody_is_asked_about(
    aws: World, destroyed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = statefile.exported
    monkeypatch.setattr(statefile, "exported", lambda stack: (read.append(stack), plain(stack))[1])
    destroy.destroy(yes=True)
    assert len(read) == 2, "before, and as the engine has left it"


def test_a_destroy_of_a_state_that_has_lost_its_id_says_whose_the_data_is_and_what_is_left(
    aws: World, destroyed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ending, "keep_id", lambda *_: None)  # as of a state of which only tags tell the id
    role, theirs = (
        Found("aws:iam/role:Role", "backups-role", Leftover("role", f"role-of-{owner}", owner))
        for owner in (ID, "ba9876543210")
    )
    volume = Found("aws:ebs/volume:Volume", "data", Leftover("data volume", destroyed, ID))
    aws.left = [role, theirs, volume]
    aws.state.clear()  # as a restore leaves it until the next `up`
    destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    said = capsys.readouterr().out
    assert (aws.roles(), aws.lost) == ({}, True)
    assert f"say `--adopt {ID}`" in said
    assert f"role-of-{ID}" in said
    assert "role-of-ba9876543210" not in said
    assert f"data volume {destroyed}" not in said.rpartition("In AWS, and not")[2]


def test_images_outlive_the_data_and_people_are_told_what_they_cost_and_how_they_go(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    destroy.destroy(yes=True)
    server = aws.server()
    made = aws.ec2.create_image(InstanceId=server, Name="one")["ImageId"]
    aws.ec2.terminate_instances(InstanceIds=[server])
    (told,) = aws.ec2.describe_images(ImageIds=[made])["Images"]
    snapshot = told["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    aws.ec2.create_tags(Resources=[made, snapshot], Tags=aws.tags(images.IMAGE))
    ending.delete_data(stack_name=STACK)
    said = " ".join(capsys.readouterr().out.split())
    assert "Its images (1) cost at most" in said
    assert "at most 0.00" not in said
    assert (
        "USD a month still: `workbench delete-image all` deletes them; `workbench destroy`, then `pulumi"
        in said
    )
    ending.delete_data(stack_name=STACK)
    assert "Its images (1) cost at most" in " ".join(capsys.readouterr().out.split())


def test_the_data_is_deleted_for_good_only_by_name_and_never_under_a_server(
    aws: World, destroyed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.snapshot(destroyed, "one")
    with pytest.raises(WorkbenchError, match="end it first with `workbench destroy`"):
        ending.delete_data(stack_name=STACK)
    destroy.destroy(yes=True)
    for wrong in ("Prod", "", "yes"):
        with pytest.raises(
            WorkbenchError, match="is not the name of the stack, which is prod; nothing was deleted"
        ):
            ending.delete_data(stack_name=wrong)
    assert aws.roles() == {destroyed: volumes.DATA}
    strangers = aws.snapshot(aws.volume(), "theirs", stack_id="ba9876543210")
    aws.dies(2)
    with pytest.raises(KilledError):
        ending.delete_data(stack_name=STACK)
    aws.dies(-1)
    ending.delete_data(stack_name=STACK)
    assert (aws.roles(), aws.disks().snapshots(), aws.state) == ({}, [], {})
    assert aws.ec2.describe_snapshots(SnapshotIds=[strangers])["Snapshots"], "another stack's stays"
    ending.delete_data(stack_name=STACK)
    assert "has no data" in capsys.readouterr().out
