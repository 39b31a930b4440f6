"""What the hub says where a server does not start, and what its log does not say."""

import asyncio
import logging
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
