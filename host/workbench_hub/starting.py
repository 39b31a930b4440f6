"""Why a server cannot start, said in words and at once, without addresses of the host's inside."""

import asyncio
import contextlib
import re
from typing import Any

from jupyterhub.httpclient import fetch
from tornado.web import HTTPError

CHECK_SECONDS = 5.0
POLL_SECONDS = 0.2
SERVER_ERROR = 500  # statuses from here on are those of a server that is not ready
# What Jupyter logs as an error or worse, and the last line of a Python traceback.
REASON = re.compile(r"\[[CE] [^\]]*\] (.+)|((?:\w+\.)*\w*(?:Error|Exception)\b.*)")
LENGTH = 300  # of what users' own programs say, on a page
# What is looked at of it: the hub serves nobody else meanwhile, and what they say may have any size.
READ_BYTES, LINE_LENGTH = 65536, 2000


class StartError(HTTPError):
    """What the page says where a server does not start."""

    title = "Your server could not be started"

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status)
        self.jupyterhub_message = why

    def __str__(self) -> str:
        return str(self.jupyterhub_message)  # in the hub's log as well


async def answers(spawner: Any, url: str, timeout: float) -> None:
    """Waits until the server answers at `url`. Raises StartError where it ends before, or has not by then (seconds)."""
    until = asyncio.get_running_loop().time() + timeout
    while not await _is_up(url):
        await require_running(spawner)
        if asyncio.get_running_loop().time() > until:
            raise StartError(
                504, f"Your server did not answer within {timeout:.0f} s. Try again, or ask an administrator."
            )
        await asyncio.sleep(POLL_SECONDS)


async def require_running(spawner: Any) -> None:
    """Raises StartError, with what it said last, where the server has ended."""
    if await spawner.poll() is not None:
        words = await _last_words(spawner.unit_name)
        raise StartError(500, f"Your server ended while it was starting. {words}")


async def _is_up(url: str) -> bool:
    with contextlib.suppress(Exception):  # it is not there yet, whatever that looks like
        answer = await asyncio.wait_for(fetch(url, raise_for_status=False, allow_redirects=False), 10)
        return bool(answer.status < SERVER_ERROR)
    return False


async def _last_words(unit: str) -> str:
    """The last error among the last lines of a unit, which are its user's own."""
    for line in reversed((await _journal(unit)).split("\n")):
        if found := REASON.match(line[:LINE_LENGTH]):
            return f"Its last words: {_short(found[1] or found[2])}"
    return "It did not say why; ask an administrator."


async def _journal(unit: str) -> str:
    """The last lines of a unit; nothing where the journal does not answer in time."""
    pipe = asyncio.subprocess.PIPE
    command = ("journalctl", f"--unit={unit}", "--lines=40", "--output=cat")
    done = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        output = await asyncio.wait_for(_end_of(done), CHECK_SECONDS)
    except TimeoutError:
        done.kill()
        return ""
    return output.decode(errors="replace")


async def _end_of(program: asyncio.subprocess.Process) -> bytes:
    """The last READ_BYTES of what a program puts out, once it has ended."""
    assert program.stdout is not None
    last = b""
    while more := await program.stdout.read(READ_BYTES):
        last = (last + more)[-READ_BYTES:]
    await program.wait()
    return last


def _short(text: str) -> str:
    """One line of what a user's program said, without what cannot be printed."""
    return "".join(one if one.isprintable() else " " for one in text.strip())[:LENGTH]
