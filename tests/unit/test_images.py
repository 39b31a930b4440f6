"""Images: which one a new server starts from, what tells what is on one, and what of the settings goes into one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from pydantic import SecretStr

from deploy import uv
from deploy.service import Service as Deployed
from workbench import config, images, packages
from workbench.images import Image, Wanted
from workbench.settings import Environment, Section, Settings
from workbench.settings.section import unwrapped
from workbench.team import Lock
from workbench.versions import DEBIAN_RELEASE

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PARTS = {"base": "1", "r": "2", "python": "3"}
WANTED = Wanted("x86_64", 30, PARTS, 30)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK ada@laptop"
HASH = "$2b$12$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"


def image(name: str = "one", days: float = 1, parts: dict[str, str] | None = None, **changes: Any) -> Image:
    of = {"Project": "workbench", "Role": images.IMAGE}
    made = Image(
        f"ami-{name}", name, "available", "x86_64", 30, "snap-1", NOW - timedelta(days=days),
        {**of, **images.tags(PARTS if parts is None else parts)},
    )  # fmt: skip
    return replace(made, **changes)


def settings(**changes: Any) -> Settings:
    least = {
        "size": "t3.large",
        "zone": "eu-west-1a",
        "sshFrom": ["203.0.113.7/32"],
        "adminSshKeys": [KEY],
    }
    return config.parse({f"workbench:{key}": value for key, value in {**least, **changes}.items()})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"root_gib": 8}, ""),
        ({"state": "pending"}, "is pending"),
        ({"architecture": "arm64"}, "is arm64, and the server is to be x86_64"),
        ({"root_gib": 31}, "needs a root disk of 31 GiB, and workbench:rootVolumeGib is 30"),
        ({"snapshot": ""}, "has lost its snapshot"),
        ({"made": NOW - timedelta(days=31)}, "is 31 days old, and workbench:images.days is 30"),
        ({"tags": {}}, "is no workbench's image"),
        ({"tags": {**image().tags, "Role": "server"}}, "is no workbench's image"),
        (
            {"tags": {**image().tags, images.RELEASE: "12"}},
            f"is Debian 12, and the server is to be Debian {DEBIAN_RELEASE}",
        ),
    ],
)
def test_an_image_fits_or_it_is_said_why_not(changes: dict[str, Any], why: str) -> None:
    assert images.unfit(image(**changes), WANTED, NOW) == why
    assert (images.chosen([image(**changes)], WANTED, NOW) is None) == bool(why)


def test_what_has_most_of_what_is_wanted_is_taken_and_of_these_the_newest() -> None:
    newest = image("newest", days=1, parts={"base": "1"})
    nearest = image("nearest", days=5, parts={**PARTS, "r": "older"})
    equal, older = image("equal", days=7), image("older", days=8)
    assert images.chosen([newest], WANTED, NOW) == newest
    assert images.chosen([newest, nearest], WANTED, NOW) == nearest
    assert images.chosen([older, newest, nearest, equal], WANTED, NOW) == equal
    assert images.has_all(equal, WANTED)
    assert not images.has_all(nearest, WANTED)


def test_an_image_with_a_service_more_than_is_wanted_has_all_of_it() -> None:
    assert images.has_all(image(parts={**PARTS, "docker": "4"}), WANTED)
    assert not images.has_all(image(parts={"base": "1", "r": "2", "docker": "4"}), WANTED)


def test_tags_are_within_what_aws_takes() -> None:
    every = {name: {"enabled": True} for name in ("docker",)}
    told = images.tags(packages.parts(settings(services=every)))
    assert len(told) < 40, "there are others beside"
    assert all(len(key) <= 128 and len(value) <= 256 for key, value in told.items())


# What is on an image.


def services() -> Iterator[tuple[str, Deployed]]:
    for path in sorted(packages.DEPLOY.glob("*.py")):
        if path.stem not in ("main", "inventory"):
            service = getattr(import_module(f"deploy.{path.stem}"), "SERVICE", None)
            if isinstance(service, Deployed):
                yield path.stem, service


def test_all_packages_that_the_deploy_installs_are_in_the_digest() -> None:
    everything = settings(services={"docker": {"enabled": True}})
    read = packages.debian_packages()
    for name, service in services():
        assert set(service.packages(everything)) <= set(read.get(name, ())), name
    assert set(uv.PACKAGES) <= set(read["uv"])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"r": {"versions": [{"version": "4.2.3"}]}}, "r"),
        ({"python": {"versions": ["3.12"]}}, "python"),
        ({"rstudio": {"version": "2026.08.0+1", "sha256": "0" * 64}}, "rstudio"),
        ({"docker": {"enabled": True}}, "docker"),
        ({"shiny": {"enabled": False}}, "shiny"),
        ({"base": {"packages": ["tree"]}}, "base"),
        ({"base": {"buildTools": True}}, "base"),
    ],
)
def test_a_change_of_packages_changes_one_part_and_the_whole(changes: dict[str, Any], part: str) -> None:
    before, after = packages.parts(settings()), packages.parts(settings(services=changes))
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {part}
    assert packages.whole(before) != packages.whole(after)


def test_the_locks_of_the_teams_environments_are_a_part() -> None:
    geo, stats = (Environment(name=name, python="3.13", requirements="file.txt") for name in ("geo", "stats"))
    before = packages.parts(
        settings(), [Lock(geo, "# made\nnumpy==2.4.0\n"), Lock(stats, "# made\nscipy==1.1\n")]
    )
    again = packages.parts(
        settings(), [Lock(stats, "# new\nscipy==1.1\n"), Lock(geo, "# new\nnumpy==2.4.0\n")]
    )
    newer = packages.parts(
        settings(), [Lock(geo, "# made\nnumpy==2.4.1\n"), Lock(stats, "# made\nscipy==1.1\n")]
    )
    assert before == again
    assert {name for name in before if before[name] != newer[name]} == {packages.ENVIRONMENTS}
    assert packages.ENVIRONMENTS not in packages.parts(settings())


@pytest.mark.parametrize(
    "changes",
    [
        {"users": [{"name": "ada", "passwordHash": HASH}]},
        {"services": {"jupyterhub": {"message": "hello"}}},
        {"domain": "bench.example.org"},
        {"dataVolumeGib": 100},
    ],
)
def test_what_installs_nothing_changes_no_digest(changes: dict[str, Any]) -> None:
    assert packages.parts(settings(**changes)) == packages.parts(settings())


# What goes into one.

EVERYTHING = {
    "users": [{"name": "ada", "admin": True, "groups": ["team"], "sshKeys": [KEY], "passwordHash": HASH}],
    "limits": {"diskGib": 5},
    "domain": "bench.example.org",
    "createZone": True,
    "keepAddress": True,
    "alarms": {
        "mail": {
            "server": "smtp.example.org", "user": "bench", "password": "hush", "from": "a@example.org",
            "to": ["b@example.org"],
        },
        "webhook": "https://hooks.example.org/hush",
    },
    "schedule": {"start": "08:00"},
    "snapshots": {"daily": "03:00"},
    "budget": {"usdPerMonth": 80, "emails": ["ada@example.org"]},
    "images": {"bake": True, "startFrom": "ami-0123456789abcdef0"},
    "services": {
        "proxy": {"notice": "hush", "contact": "ada@example.org", "acmeEmail": "ada@example.org"},
        "jupyterhub": {"message": "hush", "namedServers": 3},
        "fail2ban": {"neverBan": ["198.51.100.0/24"]},
        "r": {"versions": [{"version": "4.2.3"}]},
        "base": {"timezone": "Europe/Madrid", "packages": ["tree"], "buildTools": True},
        "docker": {"enabled": True},
    },
    "mirrors": {"pypi": "https://pypi.example.org/simple"},
    "environments": [{"name": "geo", "python": "3.13", "requirements": "geo.txt"}],
}  # fmt: skip
GOES_IN = {
    "size", "zone", "sshFrom", "adminSshKeys", "dataVolumeGib", "services.jupyterhub.namedServers",
    "services.r.versions", "services.base.timezone", "services.base.packages", "services.base.buildTools",
    "services.docker.enabled", "mirrors.pypi", "environments",
}  # fmt: skip


def leaves(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}" if at else key.removeprefix("workbench:"))
    else:
        yield at


def test_only_what_chooses_packages_goes_into_an_image() -> None:
    told = images.config_of(settings(**EVERYTHING))
    assert set(leaves(told)) == GOES_IN
    for secret in (HASH, "hush", "ada@example.org", "bench.example.org", "198.51.100"):
        assert secret not in str(told)


def secrets(section: type[Section], at: str = "") -> Iterator[str]:
    """The settings that are secret by their type, wherever they stand."""
    for name, field in section.model_fields.items():
        inner, _ = unwrapped(field.annotation)
        key = f"{at}.{field.alias or name}" if at else field.alias or name
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from secrets(inner, key)
        elif inner is SecretStr:
            yield key


def test_every_secret_setting_is_among_those_that_were_tried() -> None:
    found = set(secrets(Settings))
    assert found == {"users.passwordHash", "alarms.mail.password", "alarms.webhook"}, (
        "try the new one in EVERYTHING"
    )
    assert not found & GOES_IN


def test_a_builder_gets_the_same_packages_as_the_server() -> None:
    everything = settings(**EVERYTHING)
    builders = config.parse(images.config_of(everything))
    assert packages.parts(builders) == packages.parts(everything)
    assert (builders.users, builders.domain, builders.data_volume_gib) == ([], None, images.SCRATCH_GIB)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bake": "yes"}, "workbench:images.bake"),
        ({"days": 0}, "workbench:images.days"),
        ({"days": 400}, "workbench:images.days"),
        ({"startFrom": "debian"}, "workbench:images.startFrom"),
        ({"keep": 3}, "workbench:images.keep is not a setting"),
    ],
)
def test_a_bad_setting_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(config.SettingsError, match=said):
        settings(images=given)
