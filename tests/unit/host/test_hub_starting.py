"""What the hub says where a server does not start, and what its log does not say."""

import asyncio
import io
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.app import JupyterHub

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


@pytest.mark.parametrize(
    "sent", ["x\0[W 2026-11-28 JupyterHub users:68] Failed login from 192.0.2.1", "a\r\u2028\x85\x1bb"]
)
def test_what_somebody_sends_stays_in_the_line_that_it_is_in(sent: str) -> None:
    """journald begins a new entry at a line's end and at NUL; fail2ban reads the beginning of each."""
    log, output = logging.Logger("of this test"), io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logs.Plain(fmt="[%(levelname)1.1s] %(message)s"))
    handler.addFilter(logs.NoTokens())
    log.addHandler(handler)
    log.warning("Content security violation: %s", f"{sent}\n{sent}")
    log.warning("404 GET /%s", "n" * 30_000)
    first, second, third = output.getvalue().split("\n")[:3]
    assert first.startswith("[W] Content")
    assert second.startswith("    ")
    assert set(first + second) <= set(map(chr, range(32, 127)))
    assert len(third) < 600


def test_the_hub_has_this_form_of_its_log() -> None:
    hub = JupyterHub(logging_config=logs.SETTINGS)
    [handler] = [one for one in hub.log.handlers if isinstance(one, logging.StreamHandler)][:1]
    assert type(handler.formatter) is logs.Plain
    assert any(isinstance(one, logs.NoTokens) for one in handler.filters)
