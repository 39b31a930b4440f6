"""The settings of users and of what they may take: what is taken, and the one sentence for each thing that is not."""

from typing import Any

import pytest

from deploy.files import TEMPLATES
from tests.unit.test_settings import HASH, complaint
from workbench.config import parse
from workbench.settings import Services

ADA = {"name": "ada", "admin": True}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"users": [{"name": "video"}]}, 'workbench:users[0].name is "video", which is reserved'),
        (
            {"users": [{"name": "ada", "groups": ["wind", "_chrony"]}]},
            'workbench:users[0].groups[1] is "_chrony", which is reserved for the system',
        ),
        (
            {"users": [{"name": "ada", "groups": ["Wind"]}]},
            'workbench:users[0].groups[0] is "Wind", which is no group name that Linux takes',
        ),
        (
            {"users": [{"name": "ada", "groups": ["wind", "wind"]}]},
            "workbench:users[0].groups[1] is wind a second time",
        ),
        (
            {"users": [{"name": "ada", "groups": ["ben"]}, {"name": "ben"}]},
            "workbench:users[0].groups[0] is ben, which is a user as well, whose own group has that name",
        ),
        (
            {"users": [{"name": "ada", "changePassword": True}]},
            "workbench:users[0].changePassword is true, but there is no passwordHash",
        ),
        (
            {"users": [{**ADA, "removed": True}, {"name": "ben"}]},
            "workbench:users[0].removed takes away ada, the last admin",
        ),
        (
            {"users": [ADA, {"name": "ben", "formerly": "ben"}]},
            "workbench:users[1].formerly is ben, which is the name still",
        ),
        (
            {"users": [ADA, {"name": "ben", "formerly": "B!"}]},
            'workbench:users[1].formerly is "B!", which is',
        ),
        (
            {"users": [{**ADA, "formerly": "eve"}, {"name": "ben", "formerly": "eve"}]},
            "workbench:users[1].formerly is eve a second time",
        ),
        (
            {"users": [{**ADA, "formerly": "ben"}, {"name": "ben", "formerly": "ada"}]},
            "workbench:users[0].formerly is ben, and so names go round in a circle (ada, ben); take other "
            "names, as nobody gets one",
        ),
        ({"limits": {"diskGib": 51}}, "workbench:limits.diskGib is 51, but the whole data volume has 50 GiB"),
        ({"limits": {"memoryPercent": 120}}, "workbench:limits.memoryPercent is 120; takes at most 100"),
        ({"limits": {"timers": "always"}}, 'workbench:limits.timers is "always"; takes true or false'),
        (
            {"users": [{"name": "ada", "email": "ada@example.org\nBcc: x@example.org"}]},
            "is no e-mail address; takes one such as ada@example.org",
        ),
        ({"limits": {"tasks": 10}}, "workbench:limits.tasks is 10; takes at least 512"),
        (
            {"services": {"jupyterhub": {"idleMinutes": -1}}},
            "workbench:services.jupyterhub.idleMinutes is -1; takes at least 0",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_key(
    config: dict[str, Any], changes: dict[str, Any], sentence: str
) -> None:
    said = complaint(config, **changes)
    assert sentence in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", "video plugdev netdev _ssh _chrony workbench-admins everybody".split())
def test_a_name_of_the_systems_is_neither_a_users_nor_a_groups(config: dict[str, Any], name: str) -> None:
    said = complaint(config, users=[{"name": name}, {"name": "ada", "groups": [name]}])
    assert [line.partition(" is ")[0] for line in said.splitlines()] == [
        "workbench:users[0].name",
        "workbench:users[1].groups[0]",
    ]


def transient_accounts() -> list[str]:
    """Units whose account systemd makes as long as they run: it has the unit's name."""
    units = TEMPLATES.glob("*/*.service*")
    return [unit.name.partition(".")[0] for unit in units if "DynamicUser=yes" in unit.read_text()]


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("caddy", "proxy"),
        ("docker", "docker"),
        ("jupyterhub", "jupyterhub"),
        ("rstudio-server", "rstudio"),
    ],
)
def test_a_name_that_a_service_takes_is_nobodys_whether_it_is_on_or_off(
    config: dict[str, Any], name: str, service: str
) -> None:
    config["workbench:services"] = (
        {service: {"enabled": False}} if service in {"jupyterhub", "rstudio"} else {}
    )
    for users in ([{"name": name}], [{"name": "ada", "groups": [name]}]):
        said = complaint(config, users=users)
        assert f'is "{name}", which is reserved for the service {service}; choose another name.' in said


def test_no_daemon_runs_in_an_account_that_a_user_has() -> None:
    accounts = transient_accounts()
    assert "jupyterhub-proxy" in accounts
    assert set(accounts) <= set(Services.reserved_names())


def test_the_removed_are_no_people_of_the_workbench(config: dict[str, Any]) -> None:
    users = [ADA, {"name": "ben", "admin": True, "removed": True, "passwordHash": HASH}]
    settings = parse({**config, "workbench:users": users})
    assert [user.name for user in settings.people()] == ["ada"]


@pytest.mark.parametrize(
    ("timers", "mail", "lacking"),
    [
        (False, False, "alarms.mail is not set and limits.timers is false"),
        (True, False, "alarms.mail is not set"),
        (False, True, "limits.timers is false"),
        (True, True, ""),
    ],
)
def test_an_email_to_which_nothing_is_mailed_is_said_once(
    config: dict[str, Any], timers: bool, mail: bool, lacking: str
) -> None:
    server = {"server": "mail.example.org", "from": "a@example.org", "to": ["a@example.org"]}
    users = [
        {"name": "old", "email": "old@example.org", "removed": True},
        *({"name": name, "email": f"{name}@example.org"} for name in ("ada", "grace")),
    ]
    alarms = {"workbench:alarms": {"mail": server}} if mail else {}
    settings = parse({**config, **alarms, "workbench:users": users, "workbench:limits": {"timers": timers}})
    sentence = (
        f"workbench:users[1].email is set, but {lacking}: failures of users' schedules are mailed to nobody."
    )
    assert list(map(str, settings.notes())) == ([sentence] if lacking else [])
