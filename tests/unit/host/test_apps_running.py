"""Users' apps: how the dispatcher starts and ends them, and how many there may be."""

import os
import time

import pytest

from tests.unit.host.app_host import AppHost, Make, body, lives, pieces, read_until, runs, status, wait_until


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
