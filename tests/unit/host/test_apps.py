"""Users' apps: the dispatcher on a real socket, with real processes as apps."""

import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.host.app_host import AppHost, body, lives, pieces, runs, status, wait_until

Make = Callable[..., AppHost]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes an AppHost; all are ended with the test, and none of them has complained."""
    folders: list[Path] = []
    hosts: list[AppHost] = []

    def made(**limits: float) -> AppHost:
        folders.append(Path(tempfile.mkdtemp(prefix="wb")))
        hosts.append(AppHost(folders[-1], **limits))
        return hosts[-1]

    yield made
    said = [host.stop() for host in hosts]
    for folder in folders:
        shutil.rmtree(folder)
    assert [text for text in said if "Traceback" in text or "never retrieved" in text] == []


@pytest.fixture
def apps(make: Make) -> AppHost:
    return make()


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


def read_until(connection: socket.socket, end: bytes) -> bytes:
    said = b""
    while not said.endswith(end):
        said += connection.recv(65536)
    return said


def test_visitors_wait_for_an_app_that_is_slow_to_start(apps: AppHost) -> None:
    apps.add("slow", "slow")
    with apps.connect() as first:
        first.sendall(b"GET /fake/ada/slow/pid HTTP/1.1\r\n\r\n")
        second = apps.pid("slow")
        assert int(body(b"".join(pieces(first)))) == second


def test_an_app_that_dies_at_its_start_gives_a_page_and_is_not_started_at_every_request(
    apps: AppHost,
) -> None:
    apps.add("broken", "die")
    for _ in range(5):
        answer = apps.get("/fake/ada/broken/")
        assert status(answer) == 503
        assert b"\r\nRetry-After: 5\r\n" in answer
        assert b"~/Apps/log/broken.log" in answer
    assert (apps.home / "Apps/log/broken.log").read_text().count("started") == 1


def test_an_app_that_died_is_started_again_once_it_is_mended(make: Make) -> None:
    apps = make(again_seconds=0.5)
    folder = apps.add("broken", "die")
    assert apps.status("/fake/ada/broken/") == 503
    (folder / "mode").write_text("")
    time.sleep(0.6)
    assert apps.status("/fake/ada/broken/") == 200


def test_an_app_that_never_listens_is_ended(make: Make) -> None:
    apps = make(start_seconds=1)
    apps.add("never", "never")
    assert apps.status("/fake/ada/never/") == 503
    assert "mode 'never'" in (apps.home / "Apps/log/never.log").read_text()


def test_an_app_that_dies_later_is_started_by_the_next_visitor(make: Make) -> None:
    apps = make(again_seconds=0)
    apps.add("hello")
    before = apps.pid("hello")
    assert apps.get("/fake/ada/hello/die") == b""
    wait_until(lambda: not runs(before))
    assert apps.pid("hello") != before


@pytest.mark.parametrize("what", ["pipe", "folder", "file in the folder's place"])
def test_an_app_whose_log_cannot_be_written_is_not_started_and_holds_up_nothing(
    apps: AppHost, what: str
) -> None:
    apps.add("hello")
    log = apps.home / "Apps/log"
    if what.startswith("file"):
        log.touch()
    else:
        log.mkdir()
        (os.mkfifo if what == "pipe" else os.mkdir)(log / "hello.log")
    assert apps.status("/fake/ada/hello/") == 503
    assert "could not be started" in apps.stop()


def test_a_long_log_is_put_aside(apps: AppHost) -> None:
    apps.add("hello")
    log = apps.home / "Apps/log"
    log.mkdir()
    (log / "hello.log").write_text(2 * 1024**2 * "x")
    assert apps.status("/fake/ada/hello/") == 200
    assert (log / "hello.log").stat().st_size < 1000
    assert (log / "hello.old.log").stat().st_size == 2 * 1024**2


def test_an_app_ends_when_nobody_has_been_there_for_a_while_and_then_the_dispatcher(make: Make) -> None:
    apps = make(idle_seconds=1, leave_seconds=1)
    apps.add("hello")
    pid = apps.pid("hello")
    time.sleep(0.5)
    assert runs(pid)
    wait_until(lambda: not runs(pid))
    assert apps.process.wait(10) == 0
    assert list(apps.runtime.iterdir()) == []


def test_restart_txt_asks_for_a_fresh_start(apps: AppHost) -> None:
    folder = apps.add("hello")
    before = apps.pid("hello")
    (folder / "restart.txt").touch()
    after = apps.pid("hello")
    assert after != before
    assert not runs(before)
    assert apps.pid("hello") == after


def test_a_folder_that_is_gone_is_no_app_and_another_in_its_place_is_another(apps: AppHost) -> None:
    folder = apps.add("hello")
    before = apps.pid("hello")
    folder.rename(folder.with_name("aside"))
    assert apps.status("/fake/ada/hello/") == 404
    assert not runs(before)
    apps.add("hello")
    assert apps.pid("hello") != before


def test_only_so_many_apps_run_and_the_one_that_is_used_least_makes_room(make: Make) -> None:
    apps = make(apps=2)
    for name in ("one", "two", "three"):
        apps.add(name)
    with apps.connect() as held:
        held.sendall(b"GET /fake/ada/one/websocket HTTP/1.1\r\n\r\nhere")
        read_until(held, b"here")
        second = apps.pid("two")
        apps.pid("three")
        wait_until(lambda: not runs(second))
        with apps.connect() as other:
            other.sendall(b"GET /fake/ada/three/websocket HTTP/1.1\r\n\r\nhere")
            read_until(other, b"here")
            answer = apps.get("/fake/ada/two/")
            assert status(answer) == 503
            assert b"limited to 2 at a time" in answer


def test_too_many_connections_are_told_so(make: Make) -> None:
    apps = make(connections=1)
    apps.add("hello")
    with apps.connect() as held:
        held.sendall(b"GET /fake/ada/hello/websocket HTTP/1.1\r\n\r\nhere")
        read_until(held, b"here")
        assert b"Too many people" in apps.get("/fake/ada/hello/")


def test_a_visitor_who_leaves_frees_the_connection(make: Make) -> None:
    apps = make(connections=1)
    apps.add("hello")
    for _ in range(3):
        with apps.connect() as visitor:
            visitor.sendall(b"GET /fake/ada/hello/websocket HTTP/1.1\r\n\r\nhere")
            read_until(visitor, b"here")
        wait_until(lambda: apps.status("/fake/ada/hello/") == 200)


def test_what_an_app_started_ends_with_the_dispatcher(apps: AppHost) -> None:
    apps.add("hello")
    pid = apps.pid("hello")
    apps.stop()
    assert not runs(pid)


@pytest.mark.parametrize("how", ["restart.txt", "dispatcher", "by itself"])
def test_what_an_app_started_ends_with_it_even_if_it_does_not_end_when_asked(apps: AppHost, how: str) -> None:
    folder = apps.add("hello")
    child = int(body(apps.get("/fake/ada/hello/child")))
    assert runs(child)
    if how == "restart.txt":
        (folder / "restart.txt").touch()
        apps.pid("hello")
    elif how == "dispatcher":
        apps.stop()
    else:
        apps.get("/fake/ada/hello/die")
    wait_until(lambda: not lives(child))
