"""`workbench bake` on the lab's own API: what it makes and removes, what it refuses, and what a killed one leaves.

Stand-ins: the machines are fakes (tests/unit/lab/cloud.py), the deploy and what is asked by SSH are recorded. What a
builder really has on it, tests/life/test_images.py sees.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from typer.testing import CliRunner

from cli import account, baking, builders, common, holdings, makers, repair
from cli import cloud as clouds
from cli.amis import Amis
from cli.builders import Builders
from cli.disks import Disks
from cli.main import app
from lab.seed import ACCOUNT
from tests.unit.cli.stack_on_moto import DEAD, ID, STACK, living
from tests.unit.lab.cloud import Cloud, Network, serve
from workbench import config, images, packages, stackfile, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.images import Image
from workbench.outputs import Outputs
from workbench.settings import Settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK ada@laptop"
CHANGING = ("run_", "stop_", "create_", "terminate_", "delete_", "deregister_")
STEPS = 5  # calls that change something, of a bake without an image before


class KilledError(BaseException):
    """The command is no more, at this moment."""


class Dying:
    """A client whose command dies once it has changed something so many times; it does nothing afterwards."""

    def __init__(self, client: Any, after: int) -> None:
        self._client, self._left = client, after

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._client, name)
        if not callable(asked) or name.startswith("_") or name == "meta":
            return asked

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._left == 0:
                raise KilledError(name)
            answer = asked(*args, **kwargs)
            if name.startswith(CHANGING):
                self._left -= 1
                if self._left == 0:
                    raise KilledError(name)
            return answer

        return call


class Bench:
    """A stack that is up, as its state and AWS have it, and what is asked of the builder."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.network = Network(cloud)
        self.asked: list[str] = []
        self.left: list[str] = []
        self.contexts: list[dict[str, Any]] = []
        self.deploy_fails = ""
        self.dies_after = -1
        self.given: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        least = {
            "size": "t3.large",
            "zone": "eu-west-1a",
            "sshFrom": ["203.0.113.7/32"],
            "adminSshKeys": [KEY],
        }
        return config.parse({f"workbench:{key}": value for key, value in {**least, **self.given}.items()})

    def exported(self, _name: str = "") -> dict[str, Any]:
        known = {
            "aws:ec2/subnet:Subnet": self.network.subnet,
            "aws:ec2/securityGroup:SecurityGroup": self.network.group,
        }
        held = [{"type": kind, "urn": f"::{kind}", "id": id_} for kind, id_ in known.items()]
        whole = {"type": "workbench:infra:Workbench", "urn": "::workbench", "outputs": {"stackId": ID}}
        return {"deployment": {"resources": [whole, *held]}}

    def client(self, service: str, *_: Any) -> Any:
        client = self.cloud.client(service)
        return Dying(client, self.dies_after) if service == "ec2" and self.dies_after > 0 else client

    def configured(self, settings: Settings, facts: Outputs) -> None:
        self.contexts.append({"settings": settings, "facts": facts})
        if self.deploy_fails:
            raise WorkbenchError(self.deploy_fails)

    def ask(self, _facts: Outputs, verb: str, _seconds: int) -> list[str]:
        self.asked.append(verb)
        return self.left if verb == "clean" else []

    # What there is.

    def disks(self) -> Disks:
        return Disks(STACK, ID, stacks.AwsConfig("eu-west-1", None))

    def images(self) -> list[Image]:
        return Amis(self.disks()).all()

    def builders(self) -> list[builders.Builder]:
        return Builders(self.disks()).all()

    def bake(self) -> Image:
        return baking.made(STACK, self.settings)

    def is_clean(self) -> bool:
        """Nothing is left of a builder, and each snapshot is an image's."""
        ec2 = self.cloud.ec2
        told = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]  # moto tells of Debian's as well
        snapshots = {one["SnapshotId"] for one in told if one["OwnerId"] == ACCOUNT}
        mine = {image.snapshot for image in self.images()}
        return not self.builders() and not ec2.describe_volumes()["Volumes"] and snapshots == mine


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with serve(tmp_path / "cloud") as served:
        made = Bench(served)
        monkeypatch.setattr(stacks, "ROOT", tmp_path)
        monkeypatch.setattr(stacks, "aws_config", lambda *_: stacks.AwsConfig("eu-west-1", None))
        monkeypatch.setattr(clouds, "client", made.client)
        monkeypatch.setattr(clouds, "POLL_SECONDS", 0.01)
        monkeypatch.setattr(repair, "export", made.exported)
        monkeypatch.setattr(baking, "_configured", made.configured)
        monkeypatch.setattr(baking, "_ask", made.ask)
        yield made


def test_an_image_is_made_of_a_builder_which_goes(bench: Bench) -> None:
    made = bench.bake()
    assert bench.asked == ["update", "clean"]
    assert (made.state, made.root_gib, made.architecture) == ("available", 30, "x86_64")
    assert made.parts == packages.parts(bench.settings)
    assert {key: made.tags[key] for key in ("Project", "Stack", "StackId", "Role")} == {
        "Project": "workbench", "Stack": STACK, "StackId": ID, "Role": "image",
    }  # fmt: skip
    assert "By" not in made.tags
    assert bench.is_clean()
    (told,) = bench.cloud.ec2.describe_images(Owners=["self"])["Images"]
    assert [one["Ebs"]["Encrypted"] for one in told["BlockDeviceMappings"]] == [True]


def test_a_builder_has_no_role_of_the_stack_and_ends_by_itself(bench: Bench) -> None:
    made = Builders(bench.disks()).make(
        bench.settings, bench.cloud.image(), baking.Place(bench.network.subnet, bench.network.group)
    )
    told = bench.cloud.ec2.describe_instances(InstanceIds=[made.id])["Reservations"][0]["Instances"][0]
    assert "IamInstanceProfile" not in told
    assert "KeyName" not in told or not told["KeyName"]
    assert made.address
    assert made.volume
    assert makers.is_over(made.by)
    seed = bench.cloud.containers.machines[made.id].user_data.decode().partition("\n")[2]
    assert json.loads(seed)["runcmd"] == [["systemd-run", "--on-active=3h", "systemctl", "poweroff"]]
    kept = bench.cloud.ec2.describe_instance_attribute(
        InstanceId=made.id, Attribute="instanceInitiatedShutdownBehavior"
    )
    assert kept["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_the_stacks_own_notes_are_not_the_builders(bench: Bench) -> None:
    bench.bake()
    (told,) = bench.contexts
    assert told["facts"].stack == f"{STACK}@builder"
    assert not (stacks.ROOT / ".workbench" / f"{STACK}@builder").exists(), "they go with the builder"


def test_two_are_kept_and_the_older_go_with_their_snapshots(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for _ in range(3):
        made.append(bench.bake())
        time.sleep(1.0)  # images are told apart by their time of making, in whole seconds
    kept = {image.id for image in bench.images()}
    assert len(kept) == images.KEPT == 2
    assert made[-1].id in kept
    assert bench.is_clean()


@pytest.mark.parametrize("after", range(1, STEPS + 1))
def test_one_that_is_killed_is_taken_back_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    bench.dies_after = after
    with monkeypatch.context() as dying:
        dying.setattr(makers, "this", lambda: DEAD)
        with pytest.raises(KilledError):
            bench.bake()
    bench.dies_after = -1
    made = bench.bake()
    assert bench.is_clean()
    assert made in bench.images()
    assert all(image.state == "available" and "By" not in image.tags for image in bench.images())


def test_that_is_every_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.dies_after = STEPS + 1
    bench.bake()


def test_an_image_that_was_pending_when_its_bake_died_goes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.cloud.want(snapshot_seconds=3600)
    bench.dies_after = 3
    with monkeypatch.context() as dying:
        dying.setattr(makers, "this", lambda: DEAD)
        with pytest.raises(KilledError):
            bench.bake()
    bench.dies_after = -1
    assert [image.state for image in bench.images()] == ["pending"]
    bench.cloud.want()
    made = bench.bake()
    assert bench.images() == [made]
    assert bench.is_clean()


def test_the_snapshot_of_an_image_that_is_gone_goes_too(bench: Bench) -> None:
    first = bench.bake()
    bench.cloud.ec2.deregister_image(ImageId=first.id)
    assert not bench.is_clean()
    bench.bake()
    assert bench.is_clean()


def test_an_up_ends_the_builder_of_a_bake_that_died(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.dies_after = 1
    with monkeypatch.context() as dying:
        dying.setattr(makers, "this", lambda: DEAD)
        with pytest.raises(KilledError):
            bench.bake()
    bench.dies_after = -1
    baking.settle(STACK, bench.exported())
    assert bench.is_clean()


def fails_to_configure(bench: Bench) -> str:
    bench.deploy_fails = "The deploy failed at r; its log is .workbench/prod@builder/configure.log."
    return bench.deploy_fails


def is_not_clean(bench: Bench) -> str:
    bench.left = ["password hash: /etc/thing.conf"]
    return r"what no image may have \(password hash: /etc/thing.conf\); no image was made\."


def has_no_room(bench: Bench) -> str:
    bench.cloud.want(without_capacity=["t3.large"])
    return "do not have sufficient t3.large capacity"


def has_no_such_type_in_the_zone(bench: Bench) -> str:
    bench.given = {"size": "c8a.2xlarge", "zone": "eu-west-1c"}
    bench.network.subnet = bench.cloud.ec2.create_subnet(
        VpcId=bench.network.vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="eu-west-1c"
    )["Subnet"]["SubnetId"]
    return r"\(c8a.2xlarge\) is not supported in your requested Availability Zone \(eu-west-1c\)"


def fails_in_the_end(bench: Bench) -> str:
    bench.cloud.want(snapshot_error="no room")
    return "AWS could not make the image ami-.*: it is failed"


@pytest.mark.parametrize(
    "trouble",
    [
        fails_to_configure,
        is_not_clean,
        has_no_room,
        has_no_such_type_in_the_zone,
        fails_in_the_end,
    ],
)
def test_what_fails_leaves_nothing_and_the_older_image_stays(
    bench: Bench, trouble: Callable[[Bench], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = bench.bake()
    said = trouble(bench)
    with pytest.raises(WorkbenchError, match=said) as refused:
        bench.bake()
    assert "\n" not in str(refused.value)
    assert bench.images() == [older]
    assert bench.is_clean()


def test_a_builder_that_aws_takes_away_while_it_starts_is_told_in_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, states = Builders._again, ["terminated"]

    def again(self: Builders, builder: builders.Builder) -> builders.Builder | None:
        found = plain(self, builder)
        return replace(found, state=states.pop()) if found and states else found

    monkeypatch.setattr(Builders, "_again", again)
    said = r"^The builder i-\w+ is terminated, and not running as it should be, after \d+ s: the next `workbench bake` "
    with pytest.raises(WorkbenchError, match=said):
        bench.bake()
    assert bench.is_clean()


def test_where_the_builder_cannot_be_ended_either_people_are_told_what_happened_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = fails_to_configure(bench)

    def refused(*_: Any) -> None:
        raise WorkbenchError("Ending the builder failed.")

    with monkeypatch.context() as broken:
        broken.setattr(Builders, "end", refused)
        with pytest.raises(WorkbenchError, match=first):
            bench.bake()
    assert (
        "Ending the builder failed. The next `workbench bake`, `up` or `destroy` ends it."
        in capsys.readouterr().out
    )
    bench.deploy_fails = ""
    bench.bake()
    assert bench.is_clean()


def test_ctrl_c_leaves_nothing_either(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(baking, "_configured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.bake()
    assert bench.images() == []
    assert bench.is_clean()


@pytest.mark.parametrize("refuse", [True, False])
def test_one_that_is_at_work_is_let_be(bench: Bench, monkeypatch: pytest.MonkeyPatch, refuse: bool) -> None:
    by, said = living()
    with monkeypatch.context() as others:
        others.setattr(makers, "this", lambda: by)
        place = baking.Place(bench.network.subnet, bench.network.group)
        theirs = Builders(bench.disks()).make(bench.settings, bench.cloud.image(), place)
    if refuse:
        with pytest.raises(WorkbenchError, match=f"is at work with the builder {theirs.id} .*, by {said}"):
            bench.bake()
    else:
        baking.settle(STACK, bench.exported())
    assert [one.id for one in bench.builders()] == [theirs.id]


def test_without_a_network_there_is_nowhere_to_bake(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "export", lambda _: {"deployment": {"resources": []}})
    with pytest.raises(WorkbenchError, match=r"has no network at present.*`workbench up` makes it"):
        bench.bake()


def test_it_is_due_as_long_as_no_image_has_what_the_settings_ask_for(bench: Bench) -> None:
    assert baking.is_due(STACK, bench.settings)
    bench.bake()
    assert not baking.is_due(STACK, bench.settings)
    bench.given = {"services": {"docker": {"enabled": True}}}
    assert baking.is_due(STACK, bench.settings)


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


@pytest.mark.parametrize(
    ("wanted", "baked", "again"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_it_bakes_by_itself_where_the_settings_say_so_and_something_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, wanted: bool, baked: bool, again: bool
) -> None:
    if baked:
        bench.bake()
    before = len(bench.images())
    bench.given = {"images": {"bake": wanted}}
    monkeypatch.setattr(stackfile, "value_of", lambda *_: bench.given["images"])
    monkeypatch.setattr(stacks, "settings", lambda _: bench.settings)
    said = baking.announced(STACK)
    assert len(said) == again
    assert not said or "costs at most 1.50 USD a month; 2 are kept" in said[0]
    baking.after(STACK, bench.settings)
    assert len(bench.images()) == before + again


def left_by(bench: Bench, monkeypatch: pytest.MonkeyPatch, by: str) -> builders.Builder:
    """A builder of another process's."""
    with monkeypatch.context() as others:
        others.setattr(makers, "this", lambda: by)
        place = baking.Place(bench.network.subnet, bench.network.group)
        return Builders(bench.disks()).make(bench.settings, bench.cloud.image(), place)


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


def test_a_builder_is_never_taken_for_the_stacks_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(bench, monkeypatch, DEAD)
    assert bench.disks().server() is None
    assert bench.disks().volumes() == []


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
