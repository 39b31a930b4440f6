"""Users' apps: what visitors ask of the dispatcher, on a real socket, with real processes as apps."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.unit.host.app_host import AppHost, Make, body, pieces, read_until, status, wait_until


def test_the_first_request_starts_an_app_which_believes_to_be_at_the_root(apps: AppHost) -> None:
    folder = apps.add("hello")
    seen = body(apps.get("/fake/ada/hello/a%20b/c?x=/1"))
    assert seen.split(b"\r\n") == [b"GET /a%20b/c?x=/1 HTTP/1.1", b"Host: x"]
    assert body(apps.get("/fake/ada/hello/")).startswith(b"GET / HTTP/1.1")
    log = (apps.home / "Apps/log/hello.log").read_text()
    assert log.startswith("--- started ")
    assert f"in {folder}" in log
    assert log.count("started") == 1


def test_an_app_without_its_slash_is_sent_there(apps: AppHost) -> None:
    apps.add("hello")
    answer = apps.get("/fake/ada/hello?x=1")
    assert status(answer) == 301
    assert b"\r\nLocation: /fake/ada/hello/?x=1\r\n" in answer


def test_an_app_is_given_none_of_the_dispatchers_own_environment(apps: AppHost) -> None:
    apps.add("hello")
    environment = Path(f"/proc/{apps.pid('hello')}/environ").read_bytes()
    assert b"SECRET" not in environment
    assert f"HOME={apps.home}".encode() in environment


def test_what_visitors_upload_counts_for_the_quota_of_the_apps_user(apps: AppHost) -> None:
    apps.add("hello")
    environment = Path(f"/proc/{apps.pid('hello')}/environ").read_bytes().split(b"\0")
    assert b"TMPDIR=/srv/workbench/tmp/ada" in environment


def test_two_apps_run_at_once_and_one_request_more_starts_none(apps: AppHost) -> None:
    for name in ("one", "two with spaces"):
        apps.add(name)
    first, second = apps.pid("one"), apps.pid("two%20with%20spaces")
    assert first != second
    assert (apps.pid("one"), apps.pid("two%20with%20spaces")) == (first, second)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/fake",
        "/fake/ada",
        "/fake/ada/",
        "/fake/ada//hello/",
        "//fake/ada/hello/",
        "/fake/grace/hello/",
        "/fake/ada/nothing/",
        "/fake/ada/..%2fhello/",
        "/fake/ada/%2e%2e/",
        "/fake/ada/../ada/hello/",
        "/fake/ada/%2e/",
        "/fake/ada/.hidden/",
        "/fake/ada/hello%2f/",
        "/fake/ada/hello%00/",
        "/fake/ada/%2fetc/",
        "/fake/ada/%ff/",
        "/other/ada/hello/",
        "/fake/ada/log/",
        "/fake/ada/" + 300 * "x" + "/",
        "/fake/%2e%2e/ada/hello/",
    ],
)
def test_what_is_no_app_of_this_users_is_not_found(apps: AppHost, path: str) -> None:
    apps.add("hello")
    apps.add(".hidden")
    answer = apps.get(path)
    assert status(answer) == 404
    assert b'<a href="/" target="_top">' in answer


@pytest.mark.parametrize(
    "said", [b"hello\r\n\r\n", b"GET http://x/ HTTP/1.1\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n", b"\r\n\r\n"]
)
def test_what_is_no_request_is_refused(apps: AppHost, said: bytes) -> None:
    assert status(apps.send(said)) == 400


def test_a_head_that_does_not_end_is_cut_off_by_its_length_and_by_its_time(make: Make) -> None:
    apps = make(head_seconds=0.5)
    assert status(apps.send(b"GET / HTTP/1.1\r\nX: " + bytes(65 * 1024))) == 431
    with apps.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        assert connection.recv(100) == b""
        assert time.monotonic() - began < 5


def test_a_body_of_any_length_is_passed_on_as_it_comes(apps: AppHost) -> None:
    apps.add("hello")
    content = os.urandom(20 * 1024**2)
    head = b"POST /fake/ada/hello/upload HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(content)
    assert body(apps.send(head + content)).decode() == hashlib.sha256(content).hexdigest()


def test_an_answer_that_comes_before_the_whole_body_reaches_the_visitor(apps: AppHost) -> None:
    apps.add("hello")
    head = b"POST /fake/ada/hello/early HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n"
    assert status(apps.send(head + bytes(1000))) == 413


def test_a_stream_arrives_piece_by_piece(apps: AppHost) -> None:
    apps.add("hello")
    with apps.connect() as connection:
        connection.sendall(b"GET /fake/ada/hello/stream HTTP/1.1\r\n\r\n")
        found = list(pieces(connection))
    assert [piece for piece in found if len(piece) < 3] == [b"0\n", b"1\n", b"2\n"][-len(found) + 1 :]
    assert len(found) >= 3


def test_an_app_is_not_read_faster_than_its_visitor_reads(apps: AppHost) -> None:
    folder = apps.add("hello")
    with apps.connect() as connection:
        connection.sendall(b"GET /fake/ada/hello/flood HTTP/1.1\r\n\r\n")
        wait_until((folder / "sent").exists)
        time.sleep(1)
        assert int((folder / "sent").read_text()) < 4 * 1024**2
        assert sum(map(len, pieces(connection))) > 64 * 1024**2


def test_a_websocket_talks_both_ways_for_as_long_as_it_likes(make: Make) -> None:
    apps = make(idle_seconds=0.3)
    apps.add("hello")
    with apps.connect() as connection:
        connection.sendall(
            b"GET /fake/ada/hello/websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly"
        )
        assert status(read_until(connection, b"early")) == 101
        for word in (b"one", b"two"):
            time.sleep(1)
            connection.sendall(word)
            assert read_until(connection, word) == word
