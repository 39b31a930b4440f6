"""listed-apps STATE PUBLIC: what users' own programs say of their apps, as one list for the front page.

Users' dispatchers connect to the socket that systemd hands this, each when it starts and when something has changed
(workbench_host/apps/listing.py). Who that is, the kernel says (SO_PEERCRED); so nobody's apps are started to make the
list, nothing in a home is opened, and a user can list their own apps only. It runs as an account of its own.

STATE keeps what was said, by uid, as it was said last; PUBLIC has the part whose users are served at present, which the
proxy gives to everybody: [{"user", "kind", "app", "title"}].
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench_host.accounts import apps as sockets
from workbench_host.apps.kinds import KINDS
from workbench_host.apps.listing import MOST, NAME_LENGTH, SECONDS, TITLE_LENGTH, Shown, plain
from workbench_host.processes import USER_UIDS
from workbench_host.session_scope import caller
from workbench_host.tools import write

HANDED = 3  # the first file descriptor that systemd hands over
SAID_BYTES = 64 * 1024
REST_SECONDS = 1.0  # between what one user says and what the same user says next
AGAIN_SECONDS = 15.0  # accounts are opened and closed meanwhile


def understood(said: bytes) -> list[Shown]:
    """Raises ValueError for what no dispatcher of ours says."""
    told = json.loads(said)
    if not isinstance(told, list) or len(told) > MOST:
        raise ValueError("is no list of apps, or a longer one than may be")
    return [_one(entry) for entry in told]


def _one(entry: Any) -> Shown:
    texts = [entry.get(key) if isinstance(entry, dict) else None for key in ("kind", "app", "title")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an app is no app")
    kind, app, title = map(str, texts)
    fits = 0 < len(app) <= NAME_LENGTH and 0 < len(title) <= TITLE_LENGTH and plain(title) == title
    if kind not in KINDS or not fits or app.startswith(".") or not app.isprintable() or "/" in app:
        raise ValueError("an app has a name or a title that none can have")
    return Shown(kind, app, title)


class Listed:
    """What each user has said last, and the list for everybody. `served` are the uids, by name, whose apps are."""

    def __init__(
        self, state: Path, public: Path, served: Callable[[], Mapping[str, int] | None] = sockets.links
    ) -> None:
        self._state, self._public, self._served = state, public, served
        self._busy = set[int]()
        self._apps = self._remembered()

    def _remembered(self) -> dict[int, list[Shown]]:
        try:
            told = json.loads(self._state.read_text())
            return {int(uid): [Shown(**one) for one in apps] for uid, apps in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # users' dispatchers say it again

    def take(self, uid: int, apps: list[Shown]) -> None:
        """This user's apps are these from here on."""
        if apps == self._apps.get(uid, []):
            return
        now = {one: shown for one, shown in {**self._apps, uid: apps}.items() if shown}
        kept = {str(one): [asdict(app) for app in shown] for one, shown in now.items()}
        write(self._state, json.dumps(kept), mode=0o600)
        self._apps = now
        self.publish()

    def publish(self) -> None:
        """The list as it is now, where that is another one."""
        served = self._served() or {}
        rows = [
            {"user": name, **asdict(app)}
            for name, uid in sorted(served.items())
            for app in self._apps.get(uid, [])
        ]
        text = json.dumps(rows)
        if not self._public.exists() or self._public.read_text() != text:
            write(self._public, text)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. A user who has another one open at the same time is not listened to."""
        _, uid = caller(writer.get_extra_info("socket"))
        if uid not in USER_UIDS or uid in self._busy:
            writer.close()
            return
        self._busy.add(uid)
        try:
            async with asyncio.timeout(SECONDS):
                self.take(uid, understood(await _all(reader)))
                writer.write(b"ok\n")
                await writer.drain()
            writer.close()
            await asyncio.sleep(REST_SECONDS)
        except (OSError, ValueError, TimeoutError, RecursionError):
            writer.close()
        finally:
            self._busy.discard(uid)


async def _all(reader: asyncio.StreamReader) -> bytes:
    said = b""
    while more := await reader.read(SAID_BYTES):
        said += more
        if len(said) > SAID_BYTES:
            raise ValueError("too long")
    return said


async def run(listed: Listed, listening: socket.socket) -> None:
    """Serves until it is stopped."""
    listening.setblocking(False)
    server = await asyncio.start_unix_server(listed.serve, sock=listening, limit=SAID_BYTES)
    async with server:
        while True:
            with contextlib.suppress(OSError):  # a full disk: the list stays as it was
                listed.publish()
            await asyncio.sleep(AGAIN_SECONDS)


def main(arguments: Sequence[str]) -> int:
    state, public = map(Path, arguments)
    asyncio.run(run(Listed(state, public), socket.socket(fileno=HANDED)))
    return 0
