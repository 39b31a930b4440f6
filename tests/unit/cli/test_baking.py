"""`workbench bake`: what it makes, what a builder may, and when there is something to bake.

Stand-ins: those of tests/unit/cli/bake_on_lab.py.
"""

import json
import time

import pytest

from cli import baking, makers, repair
from cli.builders import Builders
from tests.unit.cli.bake_on_lab import Bench, left_by
from tests.unit.cli.stack_on_moto import DEAD, ID, STACK
from workbench import images, packages, stackfile
from workbench import stack as stacks
from workbench.errors import WorkbenchError


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


def test_a_builder_is_never_taken_for_the_stacks_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(bench, monkeypatch, DEAD)
    assert bench.disks().server() is None
    assert bench.disks().volumes() == []
