"""Which apps of a user the front page lists: those whose user says so, by a file `listed.txt` in the app's folder.

Its first line is what the page calls the app; an empty one, or none, leaves it its folder's name. This runs as the
user, who may write there what they like.
"""

import contextlib
import json
import os
import socket
import stat
from dataclasses import asdict, dataclass

from workbench_host.apps.kinds import KINDS

FILE = "listed.txt"
SOCKET = "/run/workbench-listed-apps.sock"
MOST = 20  # apps of one user
NAME_LENGTH, TITLE_LENGTH = 100, 80  # characters
SECONDS = 5.0
_READ_BYTES = 1024


@dataclass(frozen=True)
class Shown:
    """An app as the front page has it: the address is /kind/USER/app/."""

    kind: str
    app: str
    title: str


def listed(home: str) -> list[Shown]:
    """The user's apps that are to be listed, by name."""
    found = []
    for name, kind in KINDS.items():
        folders: list[str] = []
        with contextlib.suppress(OSError):
            folders = sorted(os.listdir(f"{home}/{kind.folder}"))
        for app in folders:
            title = _title(f"{kind.path(home, app)}/{FILE}") if len(app) <= NAME_LENGTH else None
            usual = app.isprintable() and not app.startswith(".")
            if title is not None and usual and kind.has(home, app):
                found.append(Shown(name, app, title or app))
    return found[:MOST]


def _title(path: str) -> str | None:
    """The first line of the file, None where it is none: a named pipe, say, would never be read to its end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        said = os.read(descriptor, _READ_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return plain(said[0])[:TITLE_LENGTH].strip() if said else ""


def plain(text: str) -> str:
    """Without what is no text, or turns other text round."""
    return "".join(one for one in text if one.isprintable())


def tell(apps: list[Shown], address: str = SOCKET) -> bool:
    """Has the front page list these, and no others of whoever calls; whether anybody has heard it."""
    said = json.dumps([asdict(one) for one in apps]).encode()
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(address)
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(16) == b"ok\n"
    except OSError:
        return False
