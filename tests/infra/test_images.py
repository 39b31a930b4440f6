"""What a new server starts from, under mocks: an image of the stack's own, the one that is named, or Debian's."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest

from tests.infra.conftest import ID, IMAGE, tags
from workbench import config, images, packages, servers

DEBIANS = "ami-amd64"
Declare, Said = Any, dict[str, list[str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What the program tells people, by how: info or warn."""
    told: Said = {"info": [], "warn": []}
    for how, lines in told.items():
        monkeypatch.setattr(pulumi, how, lambda line, *_, lines=lines, **__: lines.append(line))
    return told


@pytest.fixture
def bake(cloud: Any, config: dict[str, Any]) -> Any:
    """AWS has an image of the stack, which has begun and has no server."""
    cloud.begun()

    def bake_(image: str = "one", days: float = 1, stack_id: str = ID, gib: int = 30, **changes: Any) -> None:
        parts = packages.parts(_settings(config))
        made = datetime.now(UTC) - timedelta(days=days)
        disk = {
            "deviceName": "/dev/xvda",
            "ebs": {"volume_size": str(gib)},
            "noDevice": "",
            "virtualName": "",
        }
        cloud.things.append(
            {
                "kind": IMAGE, "id": f"ami-{image}", "imageId": f"ami-{image}", "name": image, "state": "available",
                "architecture": "x86_64", "rootDeviceName": "/dev/xvda", "rootSnapshotId": f"snap-{image}",
                "blockDeviceMappings": [disk], "creationDate": made.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "tags": {**tags(images.IMAGE, stack_id), **images.tags(parts)}, **changes,
            }
        )  # fmt: skip

    return bake_


def _settings(raw: dict[str, Any]) -> Any:
    return config.parse(raw)


def ami(cloud: Any) -> str:
    (server,) = cloud.of("Instance")
    return str(server.inputs["ami"])


def test_a_new_server_starts_from_the_stacks_newest_image(
    declare: Declare, cloud: Any, bake: Any, said: Said
) -> None:
    bake("older", days=3)
    bake("newest")
    declare()
    assert ami(cloud) == "ami-newest"
    assert said == {
        "info": ["The server starts from the image newest (ami-newest), baked 24 h ago."],
        "warn": [],
    }


def test_one_that_lacks_something_is_taken_and_that_is_said(
    declare: Declare, cloud: Any, bake: Any, said: Said
) -> None:
    bake()
    declare(services={"docker": {"enabled": True}})
    assert ami(cloud) == "ami-one"
    assert said["info"][0].endswith("; what it lacks is installed.")


def test_without_any_image_it_is_debians_and_nothing_is_said(
    declare: Declare, cloud: Any, said: Said
) -> None:
    cloud.begun()
    declare()
    assert ami(cloud) == DEBIANS
    assert said == {"info": [], "warn": []}


def test_a_stack_that_begins_asks_for_no_images(declare: Declare, cloud: Any) -> None:
    declare()
    assert ami(cloud) == DEBIANS
    assert "getAmiIds" not in cloud.asked


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"days": 31}, "is 31 days old, and workbench:images.days is 30"),
        ({"gib": 31}, "needs a root disk of 31 GiB, and workbench:rootVolumeGib is 30"),
        ({"architecture": "arm64"}, "is arm64, and the server is to be x86_64"),
        ({"state": "failed"}, "is failed"),
    ],
)
def test_one_that_does_not_fit_is_passed_by_and_it_is_said_why(
    declare: Declare, cloud: Any, bake: Any, said: Said, changes: dict[str, Any], why: str
) -> None:
    bake(**changes)
    declare()
    assert ami(cloud) == DEBIANS
    (line,) = said["warn"]
    assert line == f"The server starts from Debian's own image, which takes longer: one (ami-one) {why}."


def test_one_without_its_snapshot_is_passed_by_for_an_older_one(
    declare: Declare, cloud: Any, bake: Any
) -> None:
    bake("broken")
    bake("older", days=2)
    cloud.broken.add("snap-broken")
    declare()
    assert ami(cloud) == "ami-older"


def test_another_stacks_image_is_taken_only_where_it_is_named(
    declare: Declare, cloud: Any, bake: Any
) -> None:
    bake("0123456789abcdef0", stack_id="ba9876543210")
    declare()
    assert ami(cloud) == DEBIANS
    cloud.resources.clear()
    declare(images={"startFrom": "ami-0123456789abcdef0"})
    assert ami(cloud) == "ami-0123456789abcdef0"


def test_a_stack_that_begins_starts_from_the_image_that_it_names(
    declare: Declare, cloud: Any, bake: Any
) -> None:
    bake("0123456789abcdef0", stack_id="ba9876543210")
    cloud.state.clear()
    declare(images={"startFrom": "ami-0123456789abcdef0"})
    assert ami(cloud) == "ami-0123456789abcdef0"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (None, "this account has no such image in eu-west-1"),
        ({"tags": {}}, "one (ami-0123456789abcdef0) is no workbench's image"),
        ({"gib": 99}, "one (ami-0123456789abcdef0) needs a root disk of 99 GiB"),
        ({"days": 40}, "one (ami-0123456789abcdef0) is 40 days old"),
    ],
)
def test_one_that_is_named_and_does_not_fit_is_refused_before_anything_is_made(
    declare: Declare, cloud: Any, bake: Any, changes: dict[str, Any] | None, why: str
) -> None:
    if changes is not None:
        bake("0123456789abcdef0", name="one", **changes)
    with pytest.raises(pulumi.RunError, match=re.escape(f"'ami-0123456789abcdef0', but {why}")):
        declare(images={"startFrom": "ami-0123456789abcdef0"})
    assert cloud.resources == []


def test_a_rebuilds_preview_judges_the_image_and_says_which(
    declare: Declare, cloud: Any, bake: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    cloud.killed(())
    bake("0123456789abcdef0", days=31)
    bake()
    monkeypatch.setenv(servers.ANEW_VARIABLE, "yes")
    declare()
    assert said["info"] == [f"{servers.STARTS_FROM} the image one (ami-one), baked 24 h ago."]
    (request,) = [one for one in cloud.requests if one.type.endswith(":Instance")]
    assert "ami" in request.ignoreChanges
    with pytest.raises(pulumi.RunError, match=r"startFrom is .*, but .* is 31 days old"):
        declare(images={"startFrom": "ami-0123456789abcdef0"})


def test_a_living_server_keeps_its_own_and_nobody_asks_for_another(
    declare: Declare, cloud: Any, bake: Any
) -> None:
    declare()
    cloud.killed(())
    bake()
    declare()
    assert ami(cloud) == DEBIANS
    assert "getAmiIds" not in cloud.asked
    (request,) = [one for one in cloud.requests if one.type.endswith(":Instance")]
    assert "ami" in request.ignoreChanges
