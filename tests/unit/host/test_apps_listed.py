"""The list of users' apps on the front page: what a user's program finds and says, and what is made of it."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from workbench_host.apps import listed, listing
from workbench_host.apps.listed import Listed
from workbench_host.apps.listing import Shown

ADA, GRACE = 2000, 2001


def app(home: Path, name: str, text: str | None = "A title\nand more") -> Path:
    folder = home / "ShinyApps" / name
    folder.mkdir(parents=True)
    (folder / "app.R").touch()
    if text is not None:
        (folder / listing.FILE).write_text(text)
    return folder


def test_an_app_is_listed_where_its_user_says_so_and_by_no_other_means(tmp_path: Path) -> None:
    app(tmp_path, "said", "Birds & <b>bees</b>\nnot this")
    app(tmp_path, "unnamed", "")
    app(tmp_path, "secret", None)
    app(tmp_path, ".hidden")
    app(tmp_path, "turned\u202eround")
    (tmp_path / "ShinyApps/none").mkdir()
    (tmp_path / "ShinyApps/none" / listing.FILE).write_text("no app")
    assert listing.listed(str(tmp_path)) == [
        Shown("shiny", "said", "Birds & <b>bees</b>"),
        Shown("shiny", "unnamed", "unnamed"),
    ]
    assert listing.listed(str(tmp_path / "nobody")) == []


def test_whatever_stands_in_the_files_place_is_read_to_an_end_and_is_short_text(tmp_path: Path) -> None:
    os.mkfifo(app(tmp_path, "pipe", None) / listing.FILE)
    (app(tmp_path, "folder", None) / listing.FILE).mkdir()
    (app(tmp_path, "device", None) / listing.FILE).symlink_to("/dev/zero")
    app(tmp_path, "long", "x" * 5000)
    (app(tmp_path, "bytes", None) / listing.FILE).write_bytes(b"\xff\x1b[2J\xe2\x80\xae\n")
    found = {one.app: one.title for one in listing.listed(str(tmp_path))}
    assert found == {"long": "x" * listing.TITLE_LENGTH, "bytes": "\ufffd[2J"}
    for number in range(30):
        app(tmp_path, f"more-{number}")
    assert len(listing.listed(str(tmp_path))) == listing.MOST


@contextmanager
def daemon(folder: Path, uids: list[int], monkeypatch: pytest.MonkeyPatch, **names: int) -> Iterator[str]:
    """The list's program on a real socket; each connection is of the next uid, as the kernel would say."""
    monkeypatch.setattr(listed, "caller", lambda _: (1, uids.pop(0)))
    monkeypatch.setattr(listed, "REST_SECONDS", 0.0)
    address = f"/tmp/{os.getpid()}-{folder.name[-20:]}.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(10)
    loop = asyncio.new_event_loop()
    kept = Listed(folder / "state.json", folder / "public.json", lambda: names)
    running = loop.create_task(listed.run(kept, listener))

    def serve() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(running)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join(10)
        loop.close()
        listener.close()
        Path(address).unlink(missing_ok=True)  # Python 3.13 has done so by then


def public(folder: Path) -> list[tuple[str, str]]:
    return [(row["user"], row["app"]) for row in json.loads((folder / "public.json").read_text())]


def test_each_user_lists_their_own_apps_and_takes_them_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = [Shown("shiny", "birds", "Birds")], [Shown("shiny", "bees", "Bees")]
    with daemon(tmp_path, [ADA, GRACE, GRACE], monkeypatch, ada=ADA, grace=GRACE) as address:
        assert listing.tell(one, address)
        assert listing.tell(other, address)
        assert public(tmp_path) == [("ada", "birds"), ("grace", "bees")]
        assert listing.tell([], address)
        assert public(tmp_path) == [("ada", "birds")]
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_what_was_said_outlives_a_restart_and_a_closed_account_is_not_listed(tmp_path: Path) -> None:
    state, shown = tmp_path / "state.json", tmp_path / "public.json"
    names: dict[str, int] | None = {"ada": ADA}
    Listed(state, shown, lambda: names).take(ADA, [Shown("shiny", "birds", "Birds")])
    again = Listed(state, shown, lambda: names)
    again.publish()
    assert public(tmp_path) == [("ada", "birds")]
    names = {}
    again.publish()
    assert public(tmp_path) == []
    names = None  # apps are off
    again.publish()
    assert public(tmp_path) == []
    state.write_text("{ half of it")
    names = {"ada": ADA}
    Listed(state, shown, lambda: names).publish()
    assert public(tmp_path) == []


GOOD: dict[str, Any] = {"kind": "shiny", "app": "birds", "title": "Birds"}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[" * 100_000,
        "{}",
        "[1]",
        json.dumps([GOOD] * (listing.MOST + 1)),
        json.dumps([{**GOOD, "user": "grace", "kind": "other"}]),
        *(
            json.dumps([{**GOOD, **bad}])
            for bad in (
                {"app": "../grace/x"},
                {"app": "."},
                {"app": ""},
                {"app": "x" * 101},
                {"app": "a\u202eb"},
                {"title": ""},
                {"title": "x" * 81},
                {"title": "two\nlines"},
                {"title": "\u202e"},
                {"title": None},
            )
        ),
    ],
)
def test_what_no_program_of_ours_says_changes_nothing_and_the_next_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with daemon(tmp_path, [ADA, ADA, GRACE], monkeypatch, ada=ADA, grace=GRACE) as address:
        assert listing.tell([Shown(**GOOD)], address)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(address)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(said.encode())
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(16) == b""
        assert public(tmp_path) == [("ada", "birds")]
        assert listing.tell([Shown(**GOOD)], address)
        assert public(tmp_path) == [("ada", "birds"), ("grace", "birds")]


@pytest.mark.parametrize("uid", [0, 33, 1000, 65534, 100_000])
def test_who_is_no_user_of_the_workbench_is_not_listened_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    """Root, services, the administrator's own account, and users inside of rootless containers."""
    with daemon(tmp_path, [uid], monkeypatch, ada=ADA) as address:
        assert not listing.tell([Shown(**GOOD)], address)
    assert not (tmp_path / "state.json").exists()


def test_a_user_who_says_nothing_for_long_keeps_no_other_from_being_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with daemon(tmp_path, [ADA, ADA, GRACE], monkeypatch, ada=ADA, grace=GRACE) as address:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(address)
            assert not listing.tell([Shown(**GOOD)], address)  # ada's second at the same time
            assert listing.tell([Shown(**GOOD)], address)
        assert public(tmp_path) == [("grace", "birds")]


def test_without_anybody_who_listens_it_is_said_again_later(tmp_path: Path) -> None:
    assert not listing.tell([], str(tmp_path / "none.sock"))
