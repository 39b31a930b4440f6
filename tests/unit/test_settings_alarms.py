"""The settings of alarms: what is taken, the one sentence for each thing that is not, and no secret in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_settings import complaint
from workbench import stackfile
from workbench.config import SettingsError, parse

MAIL = {"server": "smtp.example.org", "from": "bench@example.org", "to": ["ada@example.org"]}
LOGIN = {"user": "bench", "password": "correct horse"}
HOOK = "https://hooks.example.org/services/T0/B0/s3cret"


def alarms(config: dict[str, Any], **section: Any) -> Any:
    return parse({**config, "workbench:alarms": section}).alarms


def test_nobody_is_told_unless_somebody_says_how(config: dict[str, Any]) -> None:
    assert parse(config).alarms.ways == []
    assert alarms(config, mail=MAIL, webhook=HOOK).ways == ["mail", "webhook"]


@pytest.mark.parametrize(
    ("section", "port"),
    [
        ({}, 587),
        ({"security": "tls"}, 465),
        ({"security": "none"}, 25),
        ({"security": "tls", "port": 2465}, 2465),
    ],
)
def test_the_port_follows_from_how_the_connection_is_encrypted(
    config: dict[str, Any], section: dict[str, Any], port: int
) -> None:
    assert alarms(config, mail={**MAIL, **section}).mail.port_in_use == port


def test_secrets_are_not_shown_with_the_settings(config: dict[str, Any]) -> None:
    shown = repr(alarms(config, mail={**MAIL, **LOGIN}, webhook=HOOK))
    assert "correct horse" not in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"mail": {**MAIL, "to": []}}, "workbench:alarms.mail.to is empty; takes at least one entry"),
        ({"mail": {**MAIL, "to": ["ada"]}}, 'alarms.mail.to[0] is "ada", which is no e-mail address'),
        ({"mail": {**MAIL, "to": ["a@b.org", "a@b.org"]}}, "alarms.mail.to[1] is a@b.org a second time"),
        ({"mail": {**MAIL, "to": ["a@b.org\nBcc: c@d.org"]}}, "which is no e-mail address"),
        ({"mail": {**MAIL, "from": "bench"}}, 'alarms.mail.from is "bench", which is no e-mail address'),
        ({"mail": {**MAIL, "server": "smtp.example.org:25"}}, "which is no server's name"),
        ({"mail": {**MAIL, "server": "https://example.org"}}, "which is no server's name"),
        ({"mail": {**MAIL, "server": "1.2.3.4.5"}}, "which is no server's name"),
        ({"mail": {**MAIL, "port": 0}}, "alarms.mail.port is 0; takes at least 1"),
        (
            {"mail": {**MAIL, "security": "ssl"}},
            "alarms.mail.security is \"ssl\"; takes 'starttls', 'tls' or 'none'",
        ),
        ({"mail": {**MAIL, "user": "bench"}}, "alarms.mail.password is missing, but there is a user"),
        ({"mail": {**MAIL, "password": "x"}}, "alarms.mail.user is missing, but there is a password"),
        (
            {"mail": {**MAIL, **LOGIN, "security": "none"}},
            "alarms.mail.security is none, so that the password",
        ),
        ({"mail": {**MAIL, "form": "a@b.org"}}, "alarms.mail.form is not a setting (perhaps from was meant)"),
        ({"mail": {"server": "a.org", "to": ["a@b.org"]}}, "workbench:alarms.mail.from is missing"),
        ({"webhook": "http://hooks.example.org/x"}, "workbench:alarms.webhook is no address of a webhook"),
        ({"webhook": "https://"}, "workbench:alarms.webhook is no address of a webhook"),
        ({"webhook": "https://a b/"}, "workbench:alarms.webhook is no address of a webhook"),
        ({"disk": 90}, "workbench:alarms.disk is not a setting; there are mail, webhook"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_key(
    config: dict[str, Any], section: dict[str, Any], sentence: str
) -> None:
    said = complaint(config, alarms=section)
    assert sentence in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "section",
    [
        {"mail": {**MAIL, "user": "bench", "password": "two\nlines s3cret"}},
        {"mail": {**MAIL, "user": "bench", "password": ["s3cret"]}},
        {"mail": {**MAIL, "pass": "s3cret"}},
        {"mail": "smtp://bench:s3cret@example.org"},
        {"webhook": "ftp://hooks.example.org/s3cret"},
        {"webhook": ["https://hooks.example.org/s3cret"]},
        "https://hooks.example.org/s3cret",
    ],
)
def test_a_complaint_shows_no_secret(config: dict[str, Any], section: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({**config, "workbench:alarms": section})
    assert "s3cret" not in str(caught.value)


def test_encrypted_secrets_are_not_judged_and_the_rest_is(tmp_path: Path, config: dict[str, Any]) -> None:
    path, secure = tmp_path / "Pulumi.dev.yaml", {"secure": "v1:abc:def"}
    section = {"mail": {**MAIL, "user": "bench", "password": secure}, "webhook": secure}
    path.write_text(json.dumps({"config": {**config, "workbench:alarms": section}}))
    hidden = stackfile.check(path).hidden
    assert hidden == ["workbench:alarms.mail.password", "workbench:alarms.webhook"]
