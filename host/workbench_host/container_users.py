"""container-users [--check]

Gives every user what containers without root need: a range of 65536 ids of their own for the users inside their
containers (/etc/subuid, /etc/subgid). The range follows from the uid, not from the order in which accounts were made:
what containers have written to a home on the data volume belongs to the same ids on every server. Ranges of others
(below 1001: the administrator) stay unless they overlap, and then go. Lines that are no range stay as they are: they
give nobody anything.

The user managers that containers need as well are given by managers.py.
"""

import pwd
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench_host.processes import USER_UIDS
from workbench_host.tools import CLEAN, WOULD_CHANGE, write

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
COUNT = 65536
RANGE = re.compile(r"([^:#][^:]*):([0-9]{1,10}):([0-9]{1,10})")


def start(uid: int) -> int:
    """The first of a user's ids: from 2^17 on, and the last of the highest uid's is below 2^32."""
    return (uid - USER_UIDS.start + 2) * COUNT


def user_of(uid: int) -> int | None:
    """The user whom an id belongs to, as their own or for containers; None where it is nobody's."""
    found = uid if uid < COUNT else uid // COUNT - 2 + USER_UIDS.start
    return found if found in USER_UIDS else None


def ours(users: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{name}:{start(uid)}:{COUNT}" for name, uid in users.items()}


def kept(text: str, users: Mapping[str, int]) -> Iterator[str]:
    """Lines of accounts that are not people and whose range nobody else has, and those that are no range."""
    owners = {*users, *map(str, users.values())}  # the tools take a uid for a name
    taken = {start(uid) // COUNT for uid in users.values()}
    for line in text.removesuffix("\n").split("\n") if text else ():
        if found := RANGE.fullmatch(line):
            first, count = int(found[2]), int(found[3])
            covered = range(first // COUNT, (first + count - 1) // COUNT + 1)
            if found[1] in owners or any(block in covered for block in taken):
                continue
        yield line


def wanted(text: str, users: Mapping[str, int]) -> str:
    return "".join(f"{line}\n" for line in (*kept(text, users), *ours(users).values()))


def missing_ids(users: Mapping[str, int]) -> Iterator[tuple[Path, bytes]]:
    """(file, what it should say) of the files that say something else. Bytes that are no text are kept, too."""
    for file in FILES:
        there = file.read_bytes() if file.exists() else b""
        text = wanted(there.decode(errors="surrogateescape"), users).encode(errors="surrogateescape")
        if text != there:
            yield file, text


def main(arguments: Sequence[str]) -> int:
    due = list(missing_ids({one.pw_name: one.pw_uid for one in pwd.getpwall() if one.pw_uid in USER_UIDS}))
    for file, text in due:
        if "--check" in arguments:
            print(f"give users their ids for containers in {file}")
        else:
            write(file, text)
    return WOULD_CHANGE if due and "--check" in arguments else CLEAN
