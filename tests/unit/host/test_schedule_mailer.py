"""What users can have mailed: to their own address, so many a day, no header theirs, by a real SMTP server."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.listeners import Mailbox, mail_server, make_ca
from workbench_host.alarms import mail
from workbench_host.schedules import mailer
from workbench_host.tools import FailureError

HERE = "127.0.0.1"
FINE = {"name": "report", "result": "failed with status 1", "seconds": 3, "last": "one\ntwo\n"}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Mailbox]:
    with mail_server(HERE, make_ca(tmp_path, HERE)[1], security="none", auth=False) as box:
        yield box


@pytest.fixture
def service(tmp_path: Path, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> mailer.Mailer:
    names = {2000: "ada", 2001: "grace"}
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=names[uid]))
    monkeypatch.setenv(mailer.CREDENTIALS, str(tmp_path))
    config = {
        "stack": "dev",
        "url": "https://bench/",
        "mail": {
            "server": HERE, "port": box.port, "security": "none", "user": None,
            "from": "bench@example.org", "to": ["admin@example.org"],
        },
    }  # fmt: skip
    return mailer.Mailer(config, {"ada": "ada@example.org"}, tmp_path)


def said(told: object) -> bytes:
    return json.dumps(told).encode()


def test_a_mail_is_to_the_users_own_address_and_says_what_became_of_it(
    service: mailer.Mailer, box: Mailbox
) -> None:
    assert service.answer(2000, said({**FINE, "to": "boss@example.org"})) == "queued to be mailed"
    service.send_next()
    (one,) = box.mails
    assert (one["From"], one["To"]) == ("bench@example.org", "ada@example.org")
    assert one["Subject"] == "[workbench dev] schedule report: failed"
    body = one.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert body.startswith("The schedule report of ada on https://bench/: failed with status 1, after 3 s.\n")
    assert "\n    one\n    two\n" in body


def test_who_has_no_address_gets_nothing(service: mailer.Mailer) -> None:
    with pytest.raises(FailureError, match="no email of yours"):
        service.answer(2001, said(FINE))


@pytest.mark.parametrize(
    "told",
    [
        [], 5, {}, {**FINE, "name": "a\r\nBcc: x@example.org"}, {**FINE, "name": "../x"}, {**FINE, "name": 3},
        {**FINE, "seconds": "1"}, {**FINE, "last": None}, {**FINE, "result": ["x"]},
    ],
)  # fmt: skip
def test_what_is_no_run_of_a_schedule_is_not_mailed(service: mailer.Mailer, told: object) -> None:
    with pytest.raises(FailureError, match="no run of a schedule"):
        service.answer(2000, said(told))
    for data in (b"", b"\xff\xfe", b"[" * 20000):
        with pytest.raises(FailureError, match="no run of a schedule"):
            service.answer(2000, data)
    assert list(service.waiting.folder.iterdir()) == []


def test_nothing_that_a_user_says_becomes_a_header_or_moves_a_terminal(
    service: mailer.Mailer, box: Mailbox
) -> None:
    evil = "x\r\nBcc: boss@example.org\r\n\r\n.\r\n\x1b]0;t\x07\x1b[31mred\u2028"
    service.answer(2000, said({**FINE, "result": evil, "last": evil * 50, "seconds": 10**30}))
    service.send_next()
    (one,) = box.mails
    assert one["Bcc"] is None
    assert one["To"] == "ada@example.org"
    assert "\x1b" not in one.get_payload(decode=True).decode()
    assert len(one.get_payload(decode=True).decode().splitlines()) < mailer.LINES + 10


def test_a_flood_ends_with_the_days_number_also_over_a_restart(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(mailer.A_DAY):
        service.answer(2000, said(FINE))
    again = mailer.Mailer(service.config, service.addresses, service.allowance.path.parent)
    for one in (service, again):
        with pytest.raises(FailureError, match="20 mails within a day is the most"):
            one.answer(2000, said(FINE))
    later = time.time() + mailer.DAY_SECONDS + 1
    monkeypatch.setattr(mailer.time, "time", lambda: later)
    assert again.answer(2000, said(FINE)) == "queued to be mailed"


def test_all_together_have_a_days_number_too(service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailer, "OF_ALL", 1)
    service.addresses = {"ada": "a@example.org", "grace": "g@example.org"}
    service.answer(2001, said(FINE))
    with pytest.raises(FailureError, match="too much was mailed"):
        service.answer(2000, said(FINE))


def test_a_mail_that_cannot_be_sent_now_is_tried_once_more_and_then_said(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mailer, "AGAIN_SECONDS", 0.01)
    tries: list[str] = []

    def fail(*_: object) -> None:
        tries.append("one")
        raise FailureError("the mail server could not be used")

    monkeypatch.setattr(mail, "send", fail)
    monkeypatch.setattr(mailer, "secret", lambda name: "word")
    service.answer(2000, said(FINE))
    service.send_next()
    assert len(tries) == 2
    assert capsys.readouterr().err == "A mail was not sent: the mail server could not be used.\n"


def test_a_mail_that_is_refused_is_said(
    service: mailer.Mailer, box: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    box.refused = {"ada@example.org"}
    service.answer(2000, said(FINE))
    service.send_next()
    assert capsys.readouterr().err.startswith("A mail was not sent: ada: the mail server 127.0.0.1")


def connection_of(service: mailer.Mailer, uid: int, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(mailer, "caller", lambda _: (1, uid))
    service.admit(theirs)
    return ours


def test_who_says_nothing_has_the_own_places_and_leaves_the_others_theirs(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "READ_SECONDS", 0.4)
    silent = [connection_of(service, 2001, monkeypatch) for _ in range(mailer.AT_A_TIME + 1)]
    assert silent[-1].recv(100) == b"", "one too many is closed at once"
    with connection_of(service, 2000, monkeypatch) as ada:
        ada.sendall(said(FINE))
        ada.shutdown(socket.SHUT_WR)
        assert ada.recv(100) == b"queued to be mailed"
    assert silent[0].recv(100) == b"not mailed: it took too long to say"
    for one in silent:
        one.close()
    until = time.monotonic() + 5
    while service.connected.total():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert threading.active_count() < 20


def test_who_says_too_much_and_who_is_no_user_is_not_heard(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection_of(service, 2000, monkeypatch) as ada:
        ada.sendall(b"x" * (mailer.MOST_BYTES + 1))
        assert ada.recv(100) == b"not mailed: it is too long"
    for uid in (0, 1000, 61184):
        assert connection_of(service, uid, monkeypatch).recv(100) == b""


def test_mails_that_wait_outlast_the_service_and_go_once(
    service: mailer.Mailer, box: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        service.answer(2000, said({**FINE, "name": name}))
    state = service.allowance.path.parent
    again = mailer.Mailer(service.config, service.addresses, state)
    again.send_next()
    mailer.Mailer(service.config, service.addresses, state).send_next()
    assert [mail["Subject"].split(":")[0].split()[-1] for mail in box.mails] == ["one", "two"]
    again.answer(2000, said(FINE))
    mailer.Mailer(service.config, {}, state).send_next()
    assert capsys.readouterr().err == "A mail was not sent: the settings have no email of ada any more.\n"
    assert list(service.waiting.folder.iterdir()) == []


def test_too_many_that_wait_and_a_full_disk_are_told_to_who_asks(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "WAITING", 1)
    service.answer(2000, said(FINE))
    with pytest.raises(FailureError, match="too many mails wait"):
        service.answer(2000, said(FINE))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mailer, "write", full)
    with connection_of(service, 2000, monkeypatch) as ada:
        ada.sendall(said(FINE))
        ada.shutdown(socket.SHUT_WR)
        assert ada.recv(100) == b"not mailed: No space left on device"


def test_no_words_of_a_user_are_in_a_header_and_one_that_cannot_be_sent_keeps_nobody_from_theirs(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An encoded word in a Subject is decoded when it is set: a lone surrogate ended the thread that sends."""
    told = mailer.request(said({**FINE, "result": "=?utf-7?q?+2AA-?= =?utf-8?q?a=0ABcc:_evil@x.org?="}))
    subject, text = mailer.letter(told, "ada", service.config)
    assert subject == "[workbench dev] schedule report: failed"
    assert "evil@x.org" in text
    for words in ("first", "second"):
        service.waiting.put(("ada", words, words))
    sent: list[str] = []

    def send(config: object, password: object, subject: str, text: str) -> None:
        if subject == "first":
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        sent.append(subject)

    monkeypatch.setattr(mail, "send", send)
    monkeypatch.setattr(mailer, "secret", lambda name: "word")
    service.send_next()
    service.send_next()
    assert sent == ["second"]
    assert list(service.waiting.folder.glob("*.json")) == []
    assert "A mail was not sent: " in capsys.readouterr().err


def test_what_the_server_refuses_for_good_is_not_tried_again_and_nobody_waits_for_it(
    service: mailer.Mailer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries: list[str] = []

    def refuse(*_: object) -> None:
        tries.append("one")
        raise mail.RefusedError("the mail server refused: 550 spam")

    monkeypatch.setattr(mail, "send", refuse)
    monkeypatch.setattr(mailer, "secret", lambda name: "word")
    service.waiting.put(("ada", "subject", "text"))
    service.send_next()
    assert tries == ["one"]
    assert "ada: the mail server refused: 550 spam." in capsys.readouterr().err
