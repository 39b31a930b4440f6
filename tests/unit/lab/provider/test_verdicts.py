"""Does a change replace? Our verdicts against those of the real AWS provider."""

from pathlib import Path

import pytest

from tests.unit.lab.provider.client import Client
from tests.unit.lab.provider.oracle import Case, cases, news, oracle, verdict
from tests.unit.lab.provider.world import ALL, World

PAIRS = [(name, case) for name, listed in cases().items() for case in listed]
IDS = [f"{name}-{','.join(case['change']) or 'nothing'}" for name, case in PAIRS]

TOOL = Path(__file__).parents[5] / "shared" / "tools" / "tfaws.py"
BINARIES = sorted(Path("/opt").glob("**/terraform-provider-aws_v5*"))
# Those that the oracle makes without minutes of waiting.
QUICK = ("vpc", "group", "ingress", "key", "role")


@pytest.mark.parametrize(("name", "case"), PAIRS, ids=IDS)
def test_a_change_is_judged_as_the_real_provider_judged_it(
    client: Client, world: World, name: str, case: Case
) -> None:
    ours = verdict(client, getattr(world, name), case["change"])
    assert ours["diffs"] == case["diffs"]
    assert ours["replaces"] == case["replaces"]


def test_the_real_provider_was_asked_about_every_type() -> None:
    assert set(cases()) == set(ALL)


@pytest.mark.oracle
def test_the_real_provider_still_says_what_was_recorded(world: World, endpoint: str) -> None:
    with oracle(TOOL, BINARIES[0], endpoint) as client:
        theirs = World(client, world.aws)
        for name in QUICK:
            made = getattr(theirs, name)
            for case in cases()[name]:
                assert verdict(client, made, case["change"]) == case, name


def test_the_details_of_a_verdict_name_the_path_and_the_kind_of_each_change(
    client: Client, world: World
) -> None:
    made = world.instance
    root = {"encrypted": False, "volumeSize": 30, "volumeType": "gp3"}
    change = {"rootBlockDevice": root, "tags": {"a.b": "c"}, "instanceType": "m6i.large", "userData": None}
    assert client.diff(made, news(made, change)).detailed == {
        "rootBlockDevice.encrypted": "UPDATE_REPLACE",
        "rootBlockDevice.volumeSize": "UPDATE",
        'tags["a.b"]': "ADD",
        "tags.Name": "DELETE",
        "instanceType": "UPDATE",
        "userData": "DELETE",
    }


@pytest.mark.parametrize(
    ("ignored", "change"),
    [
        ("ami", {"ami": "ami-x"}),
        ("userData", {"userData": "other"}),
        ("userData", {"userData": None}),
        ("rootBlockDevice.volumeSize", {"rootBlockDevice": {"encrypted": True, "volumeSize": 99}}),
        ('rootBlockDevice["volumeSize"]', {"rootBlockDevice": {"encrypted": True, "volumeSize": 99}}),
        ("tags.new", {"tags": {"Name": "x", "new": "y"}}),
        ("tags.Name", {"tags": None}),
        ("tags.*", {"tags": {"Name": "z"}}),
        ('tags["a.b"]', {"tags": {"Name": "x", "a.b": "c"}}),
    ],
)
def test_what_the_program_says_to_ignore_is_no_change(
    client: Client, world: World, ignored: str, change: dict[str, object]
) -> None:
    made = world.instance
    assert client.diff(made, news(made, change)).some
    assert not client.diff(made, news(made, change), ignore=(ignored,)).some


def test_ignoring_one_thing_does_not_hide_another(client: Client, world: World) -> None:
    made = world.instance
    change = {"ami": "ami-x", "tags": {"Name": "y", "b": "c"}}
    assert client.diff(made, news(made, change), ignore=("ami", "tags.Name")).detailed == {"tags.b": "ADD"}
