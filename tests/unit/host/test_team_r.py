"""An environment of R: how its archives are had and compared, and what is said where it cannot be built."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli import cran
from workbench_host import packages
from workbench_host.team import places, pythons, rs
from workbench_host.tools import FailureError

CONTENT = b"an archive"
DAY = "https://packagemanager.posit.co/cran/__linux__/trixie/2026-11-01"
LATEST = "https://pm.example.org/cran/__linux__/trixie/latest"


def lock(url: str = DAY, **changes: str) -> dict[str, Any]:
    package = {
        "Package": "tiny",
        "Version": "1.0",
        "File": "src/contrib/tiny_1.0.tar.gz",
        "Sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    return {
        "R": {"Version": "4.5", "Repositories": [{"Name": "CRAN", "URL": url}]},
        "Packages": {"tiny": {**package, **changes}},
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """The headers of each request to a repository that has one archive; its address is the first one's `Address`.

    Below /once it sends but half an archive at first, and below /half it always does.
    """
    monkeypatch.setattr(packages, "PAUSE_SECONDS", 0)
    seen: list[dict[str, str]] = []

    class Repository(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        close_connection = True

        def do_GET(self) -> None:
            seen.append({**self.headers, "Path": self.path})
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/moved"))
                self.end_headers()
                return
            found = self.path.endswith("/tiny_1.0.tar.gz")
            self.send_response(200 if found else 404)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            content = CONTENT if found else b""
            self.wfile.write(b"%x\r\n" % len(content))
            if self.path.startswith("/half/") or (self.path.startswith("/once/") and len(seen) == 2):
                self.wfile.write(content[:4])
                return
            self.wfile.write(content + (b"\r\n0\r\n\r\n" if content else b"\r\n"))

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen.append({"Address": f"127.0.0.1:{server.server_port}"})
    yield seen
    server.shutdown()
    server.server_close()


def test_an_archive_is_asked_for_as_r_asks_and_a_password_is_in_no_address(
    tmp_path: Path, asked: list[dict[str, str]]
) -> None:
    address = asked[0]["Address"]
    rs._download(lock(), f"http://me:secret@{address}/cran", tmp_path)
    assert (tmp_path / "tiny_1.0.tar.gz").read_bytes() == CONTENT
    assert asked[1]["User-Agent"].startswith("R/4.5.0 R (4.5.0 ")
    assert asked[1]["Path"] == "/cran/src/contrib/tiny_1.0.tar.gz"
    assert asked[1]["Authorization"].startswith("Basic ")
    assert "secret" not in asked[1]["Path"]


def test_a_password_is_not_sent_on_to_where_a_repository_leads(
    tmp_path: Path, asked: list[dict[str, str]]
) -> None:
    rs._download(lock(), f"http://me:secret@{asked[0]['Address']}/moved/cran", tmp_path)
    assert (tmp_path / "tiny_1.0.tar.gz").exists()
    assert ["Authorization" in one for one in asked[1:]] == [True, False]
    cran.Repository(f"http://me:secret@{asked[0]['Address']}/moved/cran", "4.5").read("tiny_1.0.tar.gz")
    assert ["Authorization" in one for one in asked[3:]] == [True, False]


@pytest.mark.parametrize(
    ("changes", "address", "words"),
    [
        (
            {"Sha256": "0" * 64},
            "http://me:secret@{}/cran",
            "tiny 1.0 from http://{}/cran has another sha256 than its",
        ),
        (
            {"File": "src/contrib/x.tar.gz"},
            "http://me:secret@{}/cran",
            "does not have src/contrib/x.tar.gz (status 404)",
        ),
        (
            {},
            "http://me:secret@127.0.0.1:9",
            "http://127.0.0.1:9 cannot be reached (Connection refused); mirrors.cran",
        ),
        (
            {},
            "http://me:secret@{}/half",
            "http://{}/half cannot be reached (the download broke off); mirrors.cran",
        ),
        ({}, "file:///etc", "cannot be reached (file is no way to get archives)"),
    ],
)
def test_an_archive_that_cannot_be_had_is_a_sentence_without_a_password_and_leaves_nothing(
    tmp_path: Path, asked: list[dict[str, str]], changes: dict[str, str], address: str, words: str
) -> None:
    here = asked[0]["Address"]
    with pytest.raises(FailureError) as caught:
        rs._download(lock(**changes), address.format(here), tmp_path)
    assert words.format(here) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_is_tried_again(tmp_path: Path, asked: list[dict[str, str]]) -> None:
    rs._download(lock(), f"http://{asked[0]['Address']}/once", tmp_path)
    assert len(asked) == 3, "the address, and two requests"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny_1.0.tar.gz"]
    assert (tmp_path / "tiny_1.0.tar.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8/x",
        "http://localhost",
        "http://[::1]",
        "http://169.254.169.254/latest",
        "http://0.0.0.0",
    ],
)
def test_a_lock_alone_has_root_ask_nothing_of_the_host_or_the_cloud(address: str) -> None:
    with pytest.raises(
        FailureError, match=r"its lock names .* where one there is meant, mirrors\.cran names it"
    ):
        rs.refuse_own(address)


def test_a_lock_may_name_a_repository_that_is_elsewhere_and_only_a_mirror_one_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rs.refuse_own("https://203.0.113.7/cran")
    monkeypatch.setattr(rs, "program", lambda version: Path("/usr/bin/R"))
    wanted = places.Wanted(
        "stats", "R", "4.5", "0" * 12, json.dumps(lock("http://127.0.0.1:9")), "workbench:environments[0]"
    )
    with pytest.raises(FailureError, match=r"its lock names 127\.0\.0\.1 as repository"):
        rs.build(wanted, {"cran": None})


def test_archives_come_from_the_mirror_of_the_settings_at_the_day_of_the_lock() -> None:
    assert rs.repository(lock(), None) == DAY
    assert rs.repository(lock(), LATEST) == "https://pm.example.org/cran/__linux__/trixie/2026-11-01"
    assert rs.repository(lock(), "https://cran.example") == "https://cran.example"
    assert rs.repository(lock("https://cran.example"), LATEST) == LATEST


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            " * deb: libcurl4-openssl-dev (Debian, Ubuntu)\nERROR: configuration failed for package \u2018curl\u2019",
            "curl needs the Debian package libcurl4-openssl-dev: add it to services.base.packages",
        ),
        (
            "Error: UNLOADABLE sf: unable to load\n libgdal.so.36: cannot open shared object file: No such file",
            "sf needs the Debian package libgdal-dev, which has libgdal.so.36: add it to services.base.packages",
        ),
        (
            "Error: UNLOADABLE x: libnone.so.1: cannot open shared object file",
            "x needs libnone.so.1: add the Debian package that has it to services.base.packages",
        ),
        (
            "sh: 1: make: not found\nERROR: compilation failed for package \u2018rlang\u2019",
            "rlang is built from source, and there is no make: set services.base.buildTools: true",
        ),
        ("cp: error writing 'x': No space left on device", "the disk is full: rootVolumeGib makes it larger"),
        ("one\ntwo\nError in x : what\n", "Error in x : what"),
        (
            "sh: 1: make: not found\nERROR: lazy loading failed for package",
            "ERROR: lazy loading failed for package",
        ),
        ("", "it said nothing"),
    ],
)
def test_why_r_could_not_build_names_the_setting_that_would_help(said: str, words: str) -> None:
    assert rs.reason(said) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "error: Hash mismatch for `one==1.0`\n  Expected:",
            "one==1.0 has another sha256 than its lock says",
        ),
        (
            "Failed to build `psycopg2==2.9`\nerror: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "a package (psycopg2==2.9) is built from source, and there is no compiler: set services.base.buildTools",
        ),
        (
            "psycopg.h:1: fatal error: libpq-fe.h: No such file",
            "misses libpq-fe.h: services.base.packages takes what has it",
        ),
        (
            "error: failed to write: No space left on device (os error 28)",
            "the disk is full: rootVolumeGib makes it larger",
        ),
    ],
)
def test_why_uv_could_not_build_names_the_setting_that_would_help(said: str, words: str) -> None:
    assert words in pythons.reason(said)
    assert len(pythons.reason(said).splitlines()) == 1


@pytest.mark.parametrize("reason", [rs.reason, pythons.reason])
def test_what_a_build_says_moves_no_terminal(reason: Callable[[str], str]) -> None:
    said = "one\r\n\x1b[31mERROR\x1b[0m: a\tb \x1b]0;title\x07\x1b[2J \x9b1A \u202e\u00e9\n"
    assert "ERROR: a b ?]0;title??[2J ?1A ?\u00e9" in reason(said)
    assert reason(said).isprintable()
