"""Whose the ports are that RStudio shows. The numbers are those of RStudio's own tests (UrlPortsTests.cpp)."""

import http.client
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench_host import rstudio_ports

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
def mine() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_what_listens_is_shown_to_its_owner_alone(mine: int, tmp_path: Path) -> None:
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


def test_all_who_listen_on_a_port_count(tmp_path: Path) -> None:
    rows = [
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
        "   0: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2000 0 1",
        "   1: 0100007F:1389 0100007F:9999 01 00000000:00000000 00:00000000 00000000  2002 0 1",
        "   2: 0200007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2001 0 1",
    ]
    (tmp_path / "tcp").write_text("\n".join(rows) + "\n")
    assert rstudio_ports.owners(5001, [tmp_path / "tcp", tmp_path / "tcp6"]) == {2000, 2001}
    assert rstudio_ports.owners(5002, [tmp_path / "tcp"]) == set()


class OverUnix(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def test_caddy_is_told_by_the_status(tmp_path: Path, mine: int) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "asked"))
    listening.listen()
    server = rstudio_ports.Server(listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for cookie, status in ((SIGNED, 200), ("", 403)):
            connection = OverUnix(tmp_path / "asked")
            headers = {"X-Forwarded-Uri": spelt(mine), "Cookie": f"{TOKEN}; {cookie}"}
            connection.request("GET", "/", headers=headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read() == b"") == (status, status == 200)
            connection.close()
    finally:
        server.shutdown()
        server.server_close()
