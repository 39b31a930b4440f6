"""What the hub says where a server does not start, and what its log does not say."""

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from workbench_hub import logs, starting


class Ended:
    """A spawner whose server has ended."""

    unit_name = "jupyter-grace-singleuser"

    async def poll(self) -> int:
        return 1


def said(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    async def answer(_: str) -> str:
        return output

    monkeypatch.setattr(starting, "_journal", answer)


@pytest.mark.parametrize(
    ("journal", "words"),
    [
        (
            "x\n[C 2026 ServerApp] Bad config: 'port'.\nMain process exited",
            "Its last words: Bad config: 'port'.",
        ),
        (
            "Traceback\nPermissionError: [Errno 13] no: '/home/g'\n",
            "Its last words: PermissionError: [Errno 13] no",
        ),
        ("a.b.SomeError: one\nOtherException: \x1b[31mtwo\n", "Its last words: OtherException:  [31mtwo"),
        ("Killed\n", "It did not say why; ask an administrator."),
    ],
)
def test_a_server_that_ended_is_said_at_once_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, journal: str, words: str
) -> None:
    said(monkeypatch, journal)
    with pytest.raises(starting.StartError) as error:
        asyncio.run(starting.answers(Ended(), "http+unix://%2fnowhere.sock/api", timeout=60))
    assert words in str(error.value)
    assert ".sock" not in str(error.value)


@pytest.mark.parametrize("entry", ["[E \n" * 40_000, "a." * 10**5, "[E x] " + "y" * 10**6])
def test_whatever_a_users_program_has_said_keeps_the_hub_from_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: str
) -> None:
    """journalctl is a stand-in: of the real one too, users' entries have any size, and lines in them."""
    (tmp_path / "entry").write_text(entry)
    script = tmp_path / "journalctl"
    script.write_text(f"#!/bin/sh\nfor n in $(seq 40); do cat {tmp_path}/entry; done\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    longest = 0.0

    async def check() -> None:
        nonlocal longest
        asked = asyncio.create_task(starting.require_running(Ended()))
        while not asked.done():
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begin)
        with pytest.raises(starting.StartError):
            await asked

    asyncio.run(check())
    assert longest < 2  # seconds in which the hub answered nobody; minutes, were all of it looked at


@pytest.mark.parametrize(
    ("line", "arguments", "shown"),
    [
        ("GET /lab?token=abc&x=1", (), "GET /lab?token=[secret]&x=1"),
        (
            "%s /error/503?url=%%2Flab%%3Ftoken%%3Dabc%%26x (1)",
            ("GET",),
            "GET /error/503?url=%2Flab%3Ftoken%3D[secret]%26x (1)",
        ),
        ("uri='/a?token=abc', version", (), "uri='/a?token=[secret]', version"),
        ("/a?token=[secret]", (), "/a?token=[secret]"),
        ("100% of %s", ("it",), None),
    ],
)
def test_no_token_of_an_address_is_logged(line: str, arguments: tuple[Any, ...], shown: str | None) -> None:
    if shown is None:
        line, shown = "all of %s", "all of it"
    record = logging.LogRecord("JupyterHub", logging.INFO, __file__, 1, line, arguments, None)
    assert logs.NoTokens().filter(record)
    assert record.getMessage() == shown
