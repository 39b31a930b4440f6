"""Whose the ports are that RStudio shows. The numbers are those of RStudio's own tests (UrlPortsTests.cpp)."""

import http.client
import os
import pwd
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench_host import peers, rstudio_ports

TOKEN = "port-token=fb7559983669"
ME = pwd.getpwuid(os.geteuid()).pw_name
SIGNED = f"user-id={ME}|Fri%2C%2027%20Nov|c2lnbmVk"


@pytest.mark.parametrize(
    ("spelt", "port"),
    [("1235cc15", 4991), ("1a2be938", 5990), ("d4167a28", 5252), ("f2094b4e", 6600), ("9f2094b4e", 6600)],
)
def test_a_port_is_read_as_rstudio_reads_it(spelt: str, port: int) -> None:
    for path in (f"/p/{spelt}/", f"/p6/{spelt}", f"/s/x/p/{spelt.upper()}/a?b", f"/%70/{spelt}/"):
        assert set(rstudio_ports.ports(path, f"a=b; {TOKEN}")) == {port}
    assert set(rstudio_ports.ports("/p/997a18f1/foo", "port-token=f670d35125b1")) == {4991}


@pytest.mark.parametrize(
    ("cookie", "user"),
    [
        ("user-id=ada|now|signed", "ada"),
        ("a=b; user-id=ada|now|signed; user-list-id=c", "ada"),
        ("user-id=ada|now|signed; user-id=grace|now|signed", ""),
        ("a=user-id=ada|now|signed", ""),
        ("user-id=%61da|now|signed", ""),
        ("user-id=ada%7Cnow|signed", ""),
        ("", ""),
    ],
)
def test_who_asks_is_read_where_it_is_said_once_and_plainly(cookie: str, user: str) -> None:
    assert rstudio_ports.user(cookie) == user


def spelt(port: int) -> str:
    return f"/p/{(port * 8854 % 65535) * 0xFB75 ^ 0x59983669:08x}/"


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port of who runs the tests, who counts as a user."""
    monkeypatch.setattr(rstudio_ports, "USER_UIDS", range(60000))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_what_listens_is_shown_to_its_owner_alone(mine: int) -> None:
    assert rstudio_ports.complaint(spelt(mine), [SIGNED, TOKEN]) == ""
    assert rstudio_ports.complaint(spelt(mine), [TOKEN]) == "Sign in to RStudio first."
    other = next(one.pw_name for one in pwd.getpwall() if one.pw_uid != os.geteuid())
    theirs = SIGNED.replace(f"={ME}|", f"={other}|")
    assert rstudio_ports.complaint(spelt(mine), [theirs, TOKEN]) == "Nothing of yours listens there."
    assert rstudio_ports.complaint(f"{spelt(mine)}p/1235cc15/", [SIGNED, TOKEN]) != ""
    assert rstudio_ports.complaint(spelt(mine), [SIGNED, TOKEN, TOKEN]).startswith("The cookie port-token")
    assert rstudio_ports.complaint(spelt(mine), [SIGNED, "port-token=+b7559983669"]) != ""
    assert rstudio_ports.complaint("", [SIGNED, TOKEN]) != ""
    assert rstudio_ports.complaint("/files/a%20b", []) == ""


def test_all_who_listen_on_localhost_count(mine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "listener", lambda address, _: 4001 if ":" in address else os.geteuid())
    assert rstudio_ports.owners(mine) == {os.geteuid(), 4001}
    assert rstudio_ports.complaint(spelt(mine), [SIGNED, TOKEN]) == "Nothing of yours listens there."


@pytest.mark.parametrize("service", ["root", "daemon"])
def test_who_is_no_user_has_no_ports(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sshd's nor those of the host's services, by a cookie that anybody can write."""
    monkeypatch.setattr(rstudio_ports, "owners", lambda _: {pwd.getpwnam(service).pw_uid})
    said = rstudio_ports.complaint(spelt(22), [SIGNED.replace(f"={ME}|", f"={service}|"), TOKEN])
    assert said == "Sign in to RStudio first."


def test_a_port_that_is_named_a_thousand_times_is_looked_up_once_and_many_are_not(
    mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(rstudio_ports, "owners", lambda port: asked.append(port) or {os.geteuid()})
    assert rstudio_ports.complaint(spelt(mine) * 1000, [SIGNED, TOKEN]) == ""
    assert asked == [mine]
    several = "".join(spelt(port) for port in range(5000, 5005))
    assert rstudio_ports.complaint(several, [SIGNED, TOKEN]).endswith("this one names 5.")
    assert asked == [mine]


@pytest.mark.parametrize(
    ("bound", "asked", "found"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::1", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("::", "::1", True),
    ],
)
def test_who_listens_is_whom_a_connection_over_loopback_would_reach(
    bound: str, asked: str, found: bool
) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    try:
        listening = socket.create_server((bound, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert peers.listener(asked, listening.getsockname()[1]) == (os.geteuid() if found else None)


def test_who_listens_on_loopbacks_interface_alone_or_for_both_families_counts() -> None:
    with socket.socket() as bound, socket.socket() as connected:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert peers.listener("127.0.0.1", port) is None, "it does not listen yet"
        bound.listen()
        assert peers.listener("127.0.0.1", port) == os.geteuid()
        connected.connect(("127.0.0.1", port))
        assert peers.listener("127.0.0.1", connected.getsockname()[1]) is None
    if socket.has_dualstack_ipv6():
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both:
            assert peers.listener("127.0.0.1", both.getsockname()[1]) == os.geteuid()


class OverUnix(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Path]:
    """Where the program is asked."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "asked"))
    listening.listen()
    server = rstudio_ports.Server(listening)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield tmp_path / "asked"
    server.shutdown()
    server.server_close()


def status_of(asked: Path, port: int, cookie: str) -> tuple[int, bytes]:
    connection = OverUnix(asked)
    connection.request("GET", "/", headers={"X-Forwarded-Uri": spelt(port), "Cookie": f"{TOKEN}; {cookie}"})
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def test_caddy_is_told_by_the_status(asked: Path, mine: int) -> None:
    assert status_of(asked, mine, SIGNED) == (200, b"")
    assert status_of(asked, mine, "") == (403, b"Sign in to RStudio first.\n")


def await_the_last() -> None:
    """Until no request has a thread any more, of an earlier test's neither."""
    ends = time.monotonic() + 5
    while any("process_request" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_more_requests_at_once_than_there_are_threads_for_are_refused(
    asked: Path, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_the_last()
    monkeypatch.setattr(rstudio_ports, "AT_ONCE", threading.active_count())
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as refused:
        silent.connect(str(asked))
        refused.connect(str(asked))
        refused.settimeout(5)
        assert refused.recv(100).startswith(b"HTTP/1.1 503 ")
    await_the_last()
    assert status_of(asked, mine, SIGNED)[0] == 200
