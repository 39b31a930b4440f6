"""The hub's database, as far as accounts go: whom it knows, and what is changed there while the hub is stopped."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator

from workbench_host.accounts.people import HUB
from workbench_host.tools import FailureError, run

UNIT = "jupyterhub.service"
RUNNING = {"active", "activating", "reloading"}
WAIT_SECONDS = 10  # for a lock of the database's


def knows(name: str) -> bool:
    """Whether somebody of this name has logged in at the hub."""
    if not os.path.exists(HUB):
        return False
    with contextlib.closing(
        sqlite3.connect(f"file:{HUB}?mode=ro", uri=True, timeout=WAIT_SECONDS)
    ) as database:
        try:
            return bool(database.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchall())
        except sqlite3.OperationalError:  # no such table yet
            return False


def sign_out(name: str) -> None:
    """Ends all sessions that somebody of this name has at the hub, as its Logout does (workbench_hub/sessions.py).

    Running servers go on, and tokens that were asked for stay.
    """
    if not knows(name):
        return
    with changing() as database:
        ((number,),) = database.execute("SELECT id FROM users WHERE name = ?", (name,))
        database.execute("UPDATE users SET cookie_id = ? WHERE id = ?", (secrets.token_hex(), number))
        database.execute("DELETE FROM api_tokens WHERE user_id = ? AND session_id IS NOT NULL", (number,))
        database.execute("DELETE FROM oauth_codes WHERE user_id = ? AND session_id IS NOT NULL", (number,))


@contextlib.contextmanager
def changing() -> Iterator[sqlite3.Connection]:
    """The database to be changed, all of it or nothing. Raises FailureError where it cannot be.

    The hub keeps what it has read, so it is stopped meanwhile; open notebooks go on, the proxy is apart.
    """
    # Begun again for the user before, it may still be on its way.
    is_on = run("systemctl", "show", "--property=ActiveState", "--value", UNIT).strip() in RUNNING
    if is_on:
        run("systemctl", "stop", UNIT)
    try:
        with contextlib.closing(sqlite3.connect(HUB, timeout=WAIT_SECONDS)) as database, database:
            database.execute(
                "PRAGMA foreign_keys = ON"
            )  # what is a user's goes with the user, as in the hub itself
            yield database
    except sqlite3.Error as error:
        raise FailureError(f"{HUB} could not be changed: {error}") from None
    finally:
        if is_on:
            run("systemctl", "start", "--no-block", UNIT)
