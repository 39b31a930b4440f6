"""What an entry of the journal tells: of which unit, by whom, when and what.

Who said something is never taken from what was said: whoever writes to the journal chooses identifier and message, and
only the fields that begin with an underscore are the journal's own (systemd.journal-fields(7)). `user` is set for all
that a person's process said and for all that happened in a person's slice, so that nothing of theirs counts as a
service's.
"""

import contextlib
import pwd
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workbench_host.accounts.registry import read_registry
from workbench_host.processes import ADMIN_UID

LONGEST = 8192  # characters of a message
DYNAMIC_UIDS = range(61184, 65520)  # of services, by systemd (DynamicUser)
NOBODY = 65534
SERVER = re.compile(r"jupyter-([^:]+?)(?::.+)?-singleuser(?:-front)?\.(?:service|socket)")
OF_UID = re.compile(
    r"(?:workbench-apps(?:-again)?@|user@|user-runtime-dir@|user-|workbench-session-)(\d+)[.-]"
)

Match = tuple[str, ...]  # fields that have all to be so, as journalctl takes them
BY_SYSTEMD: Match = ("_PID=1", "_UID=0")


class People:
    """Names of accounts by uid; `former` are names of today by those that their users had before."""

    def __init__(self, uids: Mapping[str, int], former: Mapping[str, str] | None = None) -> None:
        self.uids, self._former = uids, former or {}
        self._names = {uid: name for name, uid in uids.items()}

    def name(self, uid: int) -> str | None:
        """Whose uid it is; None for root's and the services'. Who is unknown, as within containers, has the number."""
        if uid < ADMIN_UID or uid in DYNAMIC_UIDS or uid == NOBODY:
            return None
        return self._names.get(uid, str(uid))

    def today(self, name: str) -> str:
        """What somebody of this name is called today."""
        return self._former.get(name, name)

    def all_of(self, name: str) -> list[str]:
        """A name of today, and all that its user had before."""
        return [name, *(old for old, today in self._former.items() if today == name)]


def people() -> People:
    """All who have or had an account, and the administrator."""
    registry = read_registry()
    uids = {name: entry.uid for name, entry in registry.users.items()}
    with contextlib.suppress(KeyError):
        uids[pwd.getpwuid(ADMIN_UID).pw_name] = ADMIN_UID
    return People(uids, registry.former())


NUMBER = re.compile(r"[0-9]{1,19}")


def number(entry: Mapping[str, Any], field: str) -> int | None:
    """A field's number; None where it has none. What programs say of themselves may be anything, such as `\u00b2`."""
    text = entry.get(field)
    return int(text) if isinstance(text, str) and NUMBER.fullmatch(text) else None


def is_by_systemd(entry: Mapping[str, Any]) -> bool:
    return number(entry, "_PID") == 1 and number(entry, "_UID") == 0


def unit_of(entry: Mapping[str, Any]) -> str:
    """The unit that an entry is of: whose process said it, or about which systemd itself did."""
    if is_by_systemd(entry) and isinstance(entry.get("UNIT"), str):
        return str(entry["UNIT"])
    return str(entry.get("_SYSTEMD_UNIT") or "")


def user_of(entry: Mapping[str, Any], unit: str, known: People) -> str | None:
    """The person whose process said it, in whose slice it was said, or of whose unit it tells."""
    for field in ("_UID", "_SYSTEMD_OWNER_UID"):
        uid = number(entry, field)
        if uid is not None and (name := known.name(uid)):
            return name
    if found := SERVER.fullmatch(unit):
        return known.today(found[1])
    if found := OF_UID.match(unit):
        return known.name(int(found[1]))
    return None


def message_of(entry: Mapping[str, Any]) -> str:
    """What was said; bytes that are no UTF-8 come as numbers."""
    said = entry.get("MESSAGE")
    if isinstance(said, list) and all(isinstance(one, int) for one in said):
        said = bytes(said).decode(errors="replace")
    text = str(said if said is not None else "")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def told(entry: Mapping[str, Any], known: People) -> dict[str, Any]:
    """What is printed of an entry of the journal's."""
    unit = unit_of(entry)
    message = message_of(entry)
    own = entry.get("_SYSTEMD_USER_UNIT")
    if isinstance(own, str) and own != "init.scope":  # a unit of the user's own, who named it
        message = f"{own}: {message}"
    priority = number(entry, "PRIORITY")
    when = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6).astimezone()
    return {
        "time": when.isoformat(timespec="milliseconds"),
        "unit": unit,
        "user": user_of(entry, unit, known),
        "priority": 6 if priority is None else priority,
        "message": message,
    }
