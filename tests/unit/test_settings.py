"""Settings: what is taken, and the one sentence for each thing that is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cli.local import hash_of
from tests.conftest import PUBLIC_KEY
from workbench import checks, reference
from workbench.config import SettingsError, parse

# Made for these tests; nobody holds its private half.
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBF4at6wO"
    "H8d65lGVK4XBna4o8OLCc2JlFqBTlQ4wZBUBxW6Yh1MZib2T9RAEEkhNewJsOo7CuISxamTaeeHv+xU="
)
HASH = hash_of("correct horse")


def complaint(config: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse({**config, **{f"workbench:{key}": value for key, value in changes.items()}})
    return str(caught.value)


def test_the_smallest_config_is_enough(config: dict[str, Any]) -> None:
    settings = parse(config)
    assert settings.size == "t3.large"
    assert settings.web_from == ["0.0.0.0/0"]
    assert [name for name, _ in settings.services.enabled()] == [
        "python",
        "r",
        "jupyterhub",
        "rstudio",
        "shiny",
    ]


def test_values_as_the_cli_gives_them_are_text(config: dict[str, Any]) -> None:
    settings = parse(
        {
            **config,
            "workbench:rootVolumeGib": "40",
            "workbench:configure": "false",
            "workbench:sshFrom": '["10.0.0.0/8"]',
            "aws:region": "eu-west-1",
        }
    )
    assert (settings.root_volume_gib, settings.configure, settings.ssh_from) == (40, False, ["10.0.0.0/8"])


def test_a_password_hash_is_not_shown_with_the_settings(config: dict[str, Any]) -> None:
    config["workbench:users"] = [{"name": "ada", "passwordHash": HASH}]
    assert HASH not in repr(parse(config))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizze": "x"}, "workbench:sizze is not a setting (perhaps size was meant)."),
        ({"size": 5}, "workbench:size is 5; takes text: quote it."),
        ({"size": "huge"}, 'workbench:size is "huge", which is no instance type; takes one such as'),
        (
            {"size": "t3.micro"},
            "workbench:size is 't3.micro' with 1024 MiB of memory, but the enabled services",
        ),
        ({"size": "t3.nano"}, "'t3.nano' with 512 MiB of memory, but the enabled services"),
        ({"size": "t2.large"}, 'workbench:size is "t2.large", which is of the generation before Nitro'),
        ({"rootVolumeGib": "much"}, 'workbench:rootVolumeGib is "much"; takes a whole number.'),
        ({"rootVolumeGib": 4}, "workbench:rootVolumeGib is 4; takes at least 8."),
        ({"dataVolumeGib": 99999}, "workbench:dataVolumeGib is 99999; takes at most 16384."),
        ({"configure": "yes"}, 'workbench:configure is "yes"; takes true or false.'),
        ({"keepAddress": "always"}, 'workbench:keepAddress is "always"; takes true or false.'),
        ({"zone": "mars"}, 'workbench:zone is "mars", which is no availability zone'),
        ({"domain": "bench"}, 'workbench:domain is "bench", which is no domain name'),
        ({"domain": "null"}, 'workbench:domain is "null", which is no domain name'),
        ({"createZone": True}, "workbench:createZone is true, but there is no domain"),
        (
            {"sshFrom": ["10.0.0.0/8", "10.0.0.0/8"]},
            "workbench:sshFrom[1] is 10.0.0.0/8 a second time; once",
        ),
        ({"domain": "1.2.3.4"}, 'workbench:domain is "1.2.3.4", which is an address'),
        ({"adminSshKeys": [ECDSA]}, "workbench:adminSshKeys holds no key of type ssh-ed25519 or ssh-rsa"),
        ({"adminSshKeys": [f"restrict,pty {PUBLIC_KEY}"]}, "ssh-rsa without options, and EC2 takes no other"),
        ({"adminSshKeys": [f"{PUBLIC_KEY} {PUBLIC_KEY}"]}, "which holds two keys; takes one"),
        ({"adminSshKeys": ["ssh-ed25519"]}, "workbench:adminSshKeys[0] is"),
        (
            {"users": [{"name": "Ada"}]},
            'workbench:users[0].name is "Ada", which is no user name that Linux takes',
        ),
        ({"users": [{"name": "x" * 33}]}, "is no user name that Linux takes"),
        ({"users": [{"name": "root"}]}, 'workbench:users[0].name is "root", which is reserved'),
        ({"users": [{"name": "admin"}]}, 'workbench:users[0].name is "admin", which is reserved'),
        ({"users": [{"name": "a"}, {"name": "a"}]}, "workbench:users[1].name is a a second time"),
        (
            {"users": [{"name": "a", "uid": 2000}, {"name": "b", "uid": 2000}]},
            "users[1].uid is 2000 a second time",
        ),
        ({"users": [{"name": "a", "uid": 7}]}, "workbench:users[0].uid is 7; takes at least 1001."),
        ({"users": [{"name": "a", "sshKeys": ["x"]}]}, "workbench:users[0].sshKeys[0] is"),
        ({"services": {"jupyterhub": {"enable": True}}}, "(perhaps enabled was meant)"),
        (
            {"services": {"rstudio": {"enabled": False, "port": 88}}},
            "workbench:services.rstudio.port is set, but the service is off, so nothing reads it",
        ),
        ({"services": {"proxy": {"certificates": "mine"}}}, "is \"mine\"; takes 'acme' or 'internal'"),
        ({"services": {"proxy": {"acmeEmail": "ada"}}}, 'acmeEmail is "ada", which is no e-mail address'),
        ({"services": {"proxy": {"acmeRoot": "x"}}}, 'acmeRoot is "x", which is no certificate'),
        ({"services": {"proxy": {"contact": "a\nb"}}}, "is too long or not one line"),
        (
            {"services": {"proxy": {"notice": "\x1b[2J"}}},
            '.notice is "\\u001b[2J", which holds the character U+001B; takes one line of plain text.',
        ),
        ({"title": "  "}, 'workbench:title is "  ", which is empty; takes a name, such as'),
        ({"title": "x" * 61}, "which has 61 characters; takes at most 60."),
        ({"title": "bench\u202e"}, "holds the character U+202E; takes one line of plain text."),
        ({"title": "\x1b]0;bench"}, "holds the character U+001B; takes one line of plain text."),
        ({"title": 5}, "workbench:title is 5; takes text: quote it."),
        (
            {"services": {"proxy": {"notice": "x" * 501}}},
            "..., which has 501 characters; takes at most 500.",
        ),
        (
            {"services": {"proxy": {"acmeServer": "https://ca.example"}}},
            "workbench:services.proxy.acmeServer is set, but there is no domain, so no ACME CA is asked",
        ),
        (
            {"domain": "bench.example.org", "webFrom": ["203.0.113.0/24"]},
            "workbench:webFrom shuts out Let's Encrypt, which has to reach port 80",
        ),
        ({"services": {"base": {"timezone": "a b"}}}, "workbench:services.base.timezone is"),
        (
            {"services": {"base": {"timezone": "Europe/Madird"}}},
            "which is no time zone; takes a name of the tz database such as Europe/Madrid.",
        ),
        ({"mirrors": {"pypi": "ftp://x"}}, "workbench:mirrors.pypi is"),
        *(
            (
                {"mirrors": {"pypi": address}},
                f'workbench:mirrors.pypi is "{address}", which is no web address',
            )
            for address in (
                "http://[::1/x",
                "https://[a]b/",
                "https://[a]/",
                "https://[::1]b/",
                "https://b[::1]/",
                "https://x:y/",
                "https://x:70000/",
                "https://x:0/",
                "https://:80/",
                "https://?x",
                "https://\uff0f/",
            )
        ),
        (
            {"domain": "bench.example.org", "services": {"proxy": {"acmeServer": "https://[::1/x"}}},
            'workbench:services.proxy.acmeServer is "https://[::1/x", which is no web address',
        ),
        (
            {"mirrors": {"pypi": "ftp://me:pw@x"}},
            'workbench:mirrors.pypi is "ftp://...@x", which is no web address',
        ),
        ({"services": {"proxy": {"acmeRoot": "PRIVATE KEY pw"}}}, "acmeRoot is no certificate"),
        ({"adminSshKeys": ["PRIVATE KEY pw"]}, "adminSshKeys[0] is a private key"),
        (
            {"size": "t4g.large"},
            "workbench:services.rstudio.enabled is true, but t4g.large is an ARM type, for which there is no RStudio",
        ),
        (
            {"services": {"r": {"enabled": False}}},
            "workbench:services.rstudio.enabled is true, but RStudio needs R, and services.r.enabled is false",
        ),
        (
            {"services": {"rstudio": {"version": "2025.09.2+418"}}},
            "workbench:services.rstudio.sha256 is missing: the workbench knows that of 2026.07.0+139 only",
        ),
        ({"services": {"rstudio": {"version": "latest"}}}, "which is no version of RStudio Server"),
        ({"services": {"rstudio": {"sha256": "abc"}}}, "which is no sha256; takes the 64 digits"),
        (
            {"services": {"r": {"versions": [{"version": "4.4.3"}]}}},
            "workbench:services.r.versions[0].sha256 is missing: the workbench knows none for R 4.4.3;",
        ),
        (
            {
                "size": "t4g.large",
                "services": {"rstudio": {"enabled": False}, "r": {"versions": [{"version": "4.2.3"}]}},
            },
            "services.r.versions[0].sha256 is missing: the workbench knows none for R 4.2.3 on ARM;",
        ),
        (
            {"services": {"r": {"versions": [{"version": "4.2.3"}, {"version": "4.2.3"}]}}},
            "workbench:services.r.versions[1].version is 4.2.3 a second time",
        ),
        (
            {"services": {"r": {"versions": [{"version": "4.4"}]}}},
            "which is no version of R; takes its three",
        ),
        ({"services": {"python": {"versions": ["3.9"]}}}, "workbench:services.python.versions[0] is"),
        (
            {"services": {"python": {"versions": ["3.12", "3.12"]}}},
            "versions[1] is 3.12 a second time",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_key(
    config: dict[str, Any], changes: dict[str, Any], sentence: str
) -> None:
    said = complaint(config, **changes)
    assert sentence in said
    assert "me:pw" not in said
    assert "KEY pw" not in said


def test_versions_beside_the_hosts_own_can_be_asked_for(config: dict[str, Any]) -> None:
    services = {
        "python": {"versions": ["3.12", "3.11.9"]},
        "r": {"versions": [{"version": "4.2.3"}, {"version": "4.4.3", "sha256": "a" * 64}]},
        "rstudio": {"version": "2025.09.2+418", "sha256": "b" * 64},
    }
    found = parse({**config, "workbench:services": services}).services
    assert found.python.versions == ["3.12", "3.11.9"]
    assert [one.version for one in found.r.versions] == ["4.2.3", "4.4.3"]
    assert found.rstudio.sha256 == "b" * 64


def test_arm_is_fine_without_rstudio(config: dict[str, Any]) -> None:
    config |= {"workbench:size": "t4g.large", "workbench:services": {"rstudio": {"enabled": False}}}
    assert "rstudio" not in [name for name, _ in parse(config).services.enabled()]


def test_a_key_that_is_missing_is_named(config: dict[str, Any]) -> None:
    del config["workbench:zone"]
    assert complaint(config) == "workbench:zone is missing; it has to be set."


def test_a_clear_text_password_is_refused_and_not_repeated(config: dict[str, Any]) -> None:
    said = complaint(config, users=[{"name": "ada", "passwordHash": "hunter2"}])
    assert "workbench:users[0].passwordHash is not a password hash" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "name", ["Europe/Madrid", "UTC", "Etc/GMT+5", "US/Pacific", "America/Argentina/Buenos_Aires"]
)
def test_every_name_of_the_tz_database_is_a_time_zone(config: dict[str, Any], name: str) -> None:
    config["workbench:services"] = {"base": {"timezone": name}}
    assert parse(config).services.base.timezone == name


def test_every_fault_is_named_at_once(config: dict[str, Any]) -> None:
    assert len(complaint(config, zone="mars", users=[{"name": "Bad"}, {"name": "root"}]).splitlines()) == 3
    broken_rules = complaint(config, createZone=True, limits={"diskGib": 51}, users=[{"name": "a"}] * 2)
    assert len(broken_rules.splitlines()) == 3


@hypothesis_settings(deadline=None)  # other tests run beside it
@given(st.text(max_size=40))
def test_a_user_name_that_is_taken_is_one_that_useradd_takes(name: str) -> None:
    try:
        checks.user_name(name)
    except ValueError:
        return
    assert name.isascii()
    assert name == name.lower()
    assert 0 < len(name) <= 32
    assert name not in checks.RESERVED_NAMES


def test_the_reference_of_settings_is_not_stale() -> None:
    assert reference.PATH.read_text() == reference.page(), "run `make docs`"


def test_config_of_other_namespaces_is_not_looked_at(config: dict[str, Any]) -> None:
    assert parse({**config, "aws:nonsense": 1}) == parse(config)


def test_a_title_is_text_and_may_look_like_markup(config: dict[str, Any]) -> None:
    assert parse(config).title == "Workbench"
    config["workbench:title"] = " <b>R &\n  {{ Python }}</b> "
    assert parse(config).title == "<b>R & {{ Python }}</b>"


def test_a_notice_is_one_line_however_it_is_folded(config: dict[str, Any]) -> None:
    config["workbench:services"] = {"proxy": {"notice": "Back at\n  six,\u00a0perhaps\n"}}
    assert parse(config).services.proxy.notice == "Back at six, perhaps"
