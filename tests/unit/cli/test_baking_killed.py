"""What a bake leaves that is killed, called off or refused: nothing, once the next has begun.

Stand-ins: those of tests/unit/cli/bake_on_lab.py.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cli import baking, builders, makers
from cli.builders import Builders
from tests.unit.cli.bake_on_lab import Bench, KilledError, left_by
from tests.unit.cli.stack_on_moto import DEAD, STACK, living
from workbench.errors import WorkbenchError

STEPS = 5  # calls that change something, of a bake without an image before


def die(bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A bake that is killed after so many of them, by which nobody goes on."""
    bench.dies_after = after
    with monkeypatch.context() as dying:
        dying.setattr(makers, "this", lambda: DEAD)
        with pytest.raises(KilledError):
            bench.bake()
    bench.dies_after = -1


@pytest.mark.parametrize("after", range(1, STEPS + 1))
def test_one_that_is_killed_is_taken_back_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    die(bench, monkeypatch, after)
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
    die(bench, monkeypatch, 3)
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
    die(bench, monkeypatch, 1)
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
    theirs = left_by(bench, monkeypatch, by)
    if refuse:
        with pytest.raises(WorkbenchError, match=f"is at work with the builder {theirs.id} .*, by {said}"):
            bench.bake()
    else:
        baking.settle(STACK, bench.exported())
    assert [one.id for one in bench.builders()] == [theirs.id]
