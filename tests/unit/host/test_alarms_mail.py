"""A mail to a real SMTP server, and the one sentence for each way in which such a server refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.listeners import PASSWORD, USER, Mailbox, mail_server, make_ca
from workbench_host.alarms import mail
from workbench_host.tools import FailureError

HERE = "127.0.0.1"
TO = ["ada@example.org", "grace@example.org"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An SMTP server whose certificate is trusted, and what the settings say of it."""
    ca, pair = make_ca(tmp_path, HERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))

    @contextmanager
    def run(security: str = "starttls", auth: bool = True) -> Iterator[tuple[Mailbox, dict[str, Any]]]:
        with mail_server(HERE, pair, security=security, auth=auth) as box:
            yield box, {
                "server": HERE, "port": box.port, "security": security, "user": USER if auth else None,
                "from": "bench@example.org", "to": TO,
            }  # fmt: skip

    return run


def refusal(config: dict[str, Any], password: str | None = PASSWORD) -> str:
    with pytest.raises(FailureError) as caught:
        mail.send(config, password, "A test", "of it")
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.startswith(f"the mail server {HERE}, port {config['port']},")
    assert PASSWORD not in said
    return said


@pytest.mark.parametrize(("security", "auth"), [("starttls", True), ("tls", True), ("none", False)])
def test_a_mail_arrives_whole(server: Any, security: str, auth: bool) -> None:
    with server(security, auth) as (box, config):
        mail.send(config, PASSWORD, "The disk at / is 90% full", "ALARM: it is — full.\n.\nhttps://bench/\n")
        (one,) = box.mails
    assert (one["From"], one["To"]) == ("bench@example.org", ", ".join(TO))
    assert one["Subject"] == "The disk at / is 90% full"
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["Message-ID"].endswith("@example.org>")
    assert one["Date"]
    body = one.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert body == "ALARM: it is — full.\n.\nhttps://bench/\n"


def test_a_wrong_password_is_said(server: Any) -> None:
    with server() as (box, config):
        assert f"refused the login of {USER}: 535" in refusal(config, "another")
        assert box.mails == []


def test_an_address_that_the_server_refuses_is_named(server: Any) -> None:
    with server() as (box, config):
        box.refused = set(TO)
        assert "refused ada@example.org: 550 5.1.1 no such person here; grace@" in refusal(config)
        box.refused = {TO[0]}
        said = refusal(config)
        assert said.endswith(
            "refused ada@example.org: 550 5.1.1 no such person here, and took it for the others"
        )
        assert len(box.mails) == 1


def test_one_of_several_addresses_that_is_refused_is_no_reason_to_send_again(server: Any) -> None:
    with server() as (box, config):
        box.refused = {TO[0]}
        with pytest.raises(mail.PartlyError):
            mail.send(config, PASSWORD, "A test", "of it")


def test_nothing_is_sent_in_the_clear_where_starttls_is_wanted(server: Any) -> None:
    with server("none", auth=False) as (box, config):
        assert "STARTTLS" in refusal({**config, "security": "starttls"})
        assert box.mails == []


def test_a_certificate_that_nobody_trusts_gets_no_password(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.crt").touch()
    for security in ("starttls", "tls"):
        with server(security) as (box, config):
            monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
            assert "shows a certificate that is not trusted" in refusal(config)
            assert box.mails == []


def test_tls_to_a_server_that_speaks_it_later_says_which_setting_to_look_at(server: Any) -> None:
    with server("starttls") as (_, config):
        assert "alarms.mail.security says how it is spoken to" in refusal({**config, "security": "tls"})


def test_a_server_that_wants_a_login_and_gets_none_is_quoted(server: Any) -> None:
    with server() as (_, config):
        assert "530" in refusal({**config, "user": None})


def test_where_nobody_listens_that_is_said(server: Any) -> None:
    with server() as (_, config):
        pass
    assert "could not be used: Connection refused" in refusal(config)


def test_a_name_that_dns_does_not_know_is_said() -> None:
    config = {
        "server": "smtp.invalid", "port": 25, "security": "none", "user": None, "from": "a@b.org", "to": TO
    }  # fmt: skip
    with pytest.raises(FailureError, match=r"could not be used: DNS does not know it|could not be used: "):
        mail.send(config, None, "A test", "of it")
