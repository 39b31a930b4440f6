"""The first login asks for a password of one's own where the settings say so.

PAM would refuse such a login; here it leads to the page that starts the server, which asks for the password before
anything is started.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tornado.web import HTTPError

from workbench_hub import login, transient

LENGTH = 8  # the least of a password that somebody chooses
TURN = asyncio.Semaphore(1)  # forms that are sent by the hundred wait for each other, and no login for them

FORM = """
<p>Choose a password of your own. It holds for everything on the workbench.</p>
<label for="password">New password</label>
<input id="password" name="password" type="password" class="form-control" autocomplete="new-password" required>
<label for="again">Once more</label>
<input id="again" name="again" type="password" class="form-control" autocomplete="new-password" required>
"""


class BadPasswordError(HTTPError):
    """What the page says of a password that cannot be."""

    def __init__(self, complaint: str) -> None:
        super().__init__(400, complaint)
        self.jupyterhub_message = complaint


def is_due(name: str) -> bool:
    """Whether the password's last change is set to 0, which asks for a change at the next login (shadow(5))."""
    with open("/etc/shadow") as file:
        return any(line.split(":")[0] == name and line.split(":")[2] == "0" for line in file)


async def form(spawner: Any) -> str:
    """The spawner's form: empty for who has a password of their own, whose server starts at once."""
    return FORM if is_due(spawner.user.name) else ""


async def take(answer: Mapping[str, Sequence[str]], spawner: Any) -> dict[str, Any]:
    """Sets the password from the form. Nothing of it becomes an option of the server, which the database would keep."""
    name = spawner.user.name
    if is_due(name):
        password, again = (answer.get(key, [""])[0] for key in ("password", "again"))
        if complaint := await refusal(name, password, again):
            raise BadPasswordError(complaint)
        await change(name, password)
    return {}


async def refusal(name: str, password: str, again: str) -> str | None:
    """What is wrong with a new password, None where nothing is."""
    if password != again:
        return "The two passwords are not the same."
    if len(password) < LENGTH or not password.isprintable():
        return f"A password has at least {LENGTH} characters, without line breaks."
    async with TURN:
        is_the_old_one = await login.is_password_of(name, password)
    if is_the_old_one:
        return "That is the password you have; choose another one."
    return None


async def change(name: str, password: str) -> None:
    """Has systemd run chpasswd, since the hub itself may not write to /etc. The password travels by standard input."""
    try:
        await transient.as_root("/usr/sbin/chpasswd", given=f"{name}:{password}\n".encode())
    except RuntimeError:
        raise HTTPError(500, "The password could not be changed; please tell an administrator.") from None
