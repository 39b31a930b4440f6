"""`workbench images`, `delete-image`, and what images and builders cost.

Stand-ins: those of tests/unit/cli/bake_on_lab.py.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from typer.testing import CliRunner

from cli import account, common, doctor, holdings
from cli import cloud as clouds
from cli.amis import Amis
from cli.main import app
from tests.unit.cli.bake_on_lab import Bench, left_by
from tests.unit.cli.stack_on_moto import DEAD, ID, STACK, living
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError


class Reluctant:
    """A client to which a snapshot is in use for a while after its image is gone, as AWS has it (boto, issue 3019)."""

    def __init__(self, client: Any, refusals: int) -> None:
        self._client, self._left = client, refusals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def delete_snapshot(self, **wanted: str) -> Any:
        if self._left:
            self._left -= 1
            told = {"Error": {"Code": "InvalidSnapshot.InUse", "Message": "currently in use"}}
            raise ClientError(told, "DeleteSnapshot")  # type: ignore[arg-type]
        return self._client.delete_snapshot(**wanted)


def test_a_snapshot_that_is_in_use_for_a_while_longer_goes_all_the_same(bench: Bench) -> None:
    made = bench.bake()
    disks = bench.disks()
    disks.ec2 = Reluctant(disks.ec2, 3)
    Amis(disks).remove(made)
    assert bench.images() == []
    assert bench.is_clean()
    Amis(disks).remove(made)  # one that is gone already is gone


def test_images_and_builders_are_paid_for_and_images_stay_at_a_destroy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.bake()
    left_by(bench, monkeypatch, DEAD)
    found = holdings.of(STACK, bench.exported())
    assert {one.role: str(one.part) for one in found if one.role != volumes.BUILDER or one.gib == 0} == {
        holdings.IMAGES: "images (1, at most 30 GiB): about 1.50 USD a month",
        holdings.BUILDER: "builder (t3.large, running): about 60.74 USD a month",
    }
    assert holdings.type_of_server(found) is None, "a builder is no server"
    (stays,) = holdings.destroyed(found, keeps_address=False)
    assert stays.name == "images"


@pytest.mark.parametrize("lives", [False, True])
def test_what_is_left_of_a_builder_is_told_with_its_price_and_what_is_at_work_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    builder = left_by(bench, monkeypatch, living()[0] if lives else DEAD)
    told = [str(one.what) for one in account.of(STACK, ID)]
    said = f"builder {builder.id} (t3.large, running), about 60.74 USD a month"
    assert told == ([] if lives else [said])


@pytest.fixture
def command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command, on the stack."""
    monkeypatch.setattr(common, "enter", lambda _: STACK)
    monkeypatch.setattr(stacks, "settings", lambda _: bench.settings)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_images_are_listed_with_what_runs_from_them(bench: Bench, command: Callable[..., Result]) -> None:
    assert "has no images; `workbench bake` makes one" in command("images").output
    made = bench.bake()
    server = bench.network.run(ImageId=made.id, InstanceType="t3.large")
    (told,) = json.loads(command("images", "--json").stdout)["images"]
    assert (told["id"], told["state"], told["size_gib"]) == (made.id, "available", 30)
    assert (told["servers"], told["usd_per_month_at_most"]) == ([server], 1.5)
    assert told["parts_as_now"] == told["parts"]
    bench.given = {"services": {"docker": {"enabled": True}}}
    shown = command("images").output
    assert made.id in shown
    assert f"{told['parts']} of {told['parts'] + 1}" in shown
    assert f"The server {server} runs from {made.id}." in shown


def test_an_image_has_one_price_by_what_aws_stores_of_it(
    bench: Bench, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.bake()

    def sized(parsed: dict[str, Any], **_: Any) -> None:
        for one in parsed["Snapshots"]:
            one["FullSnapshotSizeInBytes"] = 4.4 * 1024**3

    def client(service: str, *rest: Any) -> Any:
        made = bench.client(service, *rest)
        made.meta.events.register("after-call.ec2.DescribeSnapshots", sized)
        return made

    monkeypatch.setattr(clouds, "client", client)
    (told,) = json.loads(command("images", "--json").stdout)["images"]
    assert told["usd_per_month_at_most"] == 0.22
    (part,) = holdings.parts(holdings.of(STACK, bench.exported()))
    assert str(part) == "images (1, at most 5 GiB): about 0.22 USD a month"


def test_a_doctor_names_images_with_their_price_also_where_the_state_has_forgotten_the_stack(
    bench: Bench,
) -> None:
    forgotten: dict[str, Any] = {"deployment": {"resources": []}}
    assert list(doctor._images(STACK, bench.exported())) == []
    assert list(doctor._images(STACK, forgotten)) == [], "nor has AWS anything of a stack of that name"
    made = bench.bake()
    (told,) = doctor._images(STACK, bench.exported())
    assert told.note
    assert told.what.startswith(f"{made}: new servers start from there. ")
    assert told.what.endswith(" at present it costs at most 1.50 USD a month.")
    assert list(doctor._images(STACK, forgotten)) == [told]
    Amis(bench.disks()).remove(made)
    assert list(doctor._images(STACK, bench.exported())) == []


def test_a_stack_without_images_has_none_deleted_and_is_told(command: Callable[..., Result]) -> None:
    done = command("delete-image", "all")
    assert (done.exit_code, done.output) == (0, f"Stack {STACK} has no images; nothing was deleted.\n")


def test_images_are_deleted_by_their_ids_and_no_others(bench: Bench, command: Callable[..., Result]) -> None:
    made = bench.bake()
    refused = command("delete-image", made.id, "ami-0", "--yes")
    assert isinstance(refused.exception, WorkbenchError)
    assert str(refused.exception) == (
        f"ami-0 is no image of stack {STACK}, which has {made.id}; nothing was deleted."
    )
    assert bench.images() == [made]
    assert command("delete-image", "all", "--yes").exit_code == 0
    assert bench.images() == []
    assert bench.is_clean()


def test_another_stacks_images_are_neither_seen_nor_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = bench.bake()
    bench.cloud.ec2.create_tags(Resources=[theirs.id], Tags=[{"Key": "StackId", "Value": "ba9876543210"}])
    bench.cloud.ec2.create_tags(
        Resources=[theirs.snapshot], Tags=[{"Key": "StackId", "Value": "ba9876543210"}]
    )
    assert bench.images() == []
    bench.bake()
    assert theirs.id in [one["ImageId"] for one in bench.cloud.ec2.describe_images(Owners=["self"])["Images"]]
