"""container-users [--off] [--check]

Gives every user what containers without root need: a range of 65536 ids of their own for the users inside their
containers (/etc/subuid, /etc/subgid). The range follows from the uid, not from the order in which accounts were made:
what containers have written to a home on the data volume belongs to the same ids on every server. Ranges of others
(below 1001: the administrator) stay unless they overlap, and then go. Lines that are no range stay as they are: they
give nobody anything.

And a user manager that runs from boot on (`loginctl enable-linger`), so that /run/user/UID is always there. Podman
notes in its database where it keeps what runs: with that folder over SSH and without it in a notebook, it finds nothing
the second time, and fails.

Whom this program gave a lasting user manager stands in /var/lib/workbench/lingering. It is taken back from accounts
that are closed and, with --off (containers are switched off), from all. logind ends a manager that is taken back, with
all that runs in it: who has a container or another unit of their own there keeps it until a later call finds nothing.
"""

import pwd
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from workbench_host.processes import LINGERING, USER_UIDS, control_groups
from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, run, write

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
COUNT = 65536
GIVEN = Path("/var/lib/workbench/lingering")  # a name a line
CLOSED = "nologin"  # the shell of an account that is no longer declared
RANGE = re.compile(r"([^:#][^:]*):([0-9]{1,10}):([0-9]{1,10})")
# What a user manager runs for itself, and Podman as long as the manager lives, whether or not there is a container.
IDLE = ("init.scope", "dbus.service", "podman-pause-*.scope")


def start(uid: int) -> int:
    """The first of a user's ids: from 2^17 on, and the last of the highest uid's is below 2^32."""
    return (uid - USER_UIDS.start + 2) * COUNT


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


def at_work(uid: int) -> bool:
    """Whether a user manager runs anything that its user has started."""
    manager = f"/user@{uid}.service/"
    for path in control_groups():
        unit = path.partition(manager)[2].split("/")
        if unit != [""] and not any(fnmatch(part, idle) for part in unit for idle in IDLE):
            return True
    return False


def given() -> set[str]:
    return set(GIVEN.read_text(errors="replace").split()) if GIVEN.exists() else set()


def note(names: set[str]) -> None:
    GIVEN.parent.mkdir(parents=True, exist_ok=True)
    write(GIVEN, "".join(f"{name}\n" for name in sorted(names)))


@dataclass(frozen=True)
class Due:
    """All that is to be done: files to write, names to give a lasting user manager to, and to take it back from."""

    files: list[tuple[Path, bytes]]
    give: list[str]
    take: list[str]

    def words(self) -> list[str]:
        return [
            *(f"give users their ids for containers in {file}" for file, _ in self.files),
            *(f"have the user manager of {name} run from boot on" for name in self.give),
            *(f"have the user manager of {name} run no longer from boot on" for name in self.take),
        ]


def decide(people: Sequence[pwd.struct_passwd], off: bool) -> Due:
    uids = {one.pw_name: one.pw_uid for one in people}
    opened = {one.pw_name for one in people if not one.pw_shell.endswith(CLOSED)}
    if off:
        return Due([], [], sorted(name for name in given() if name not in opened or not at_work(uids[name])))
    give = [name for name in uids if name in opened and not (LINGERING / name).exists()]
    return Due(list(missing_ids(uids)), give, sorted(given() - opened))


def apply(due: Due, accounts: set[str]) -> None:
    """Noted before it is given, and forgotten after it is taken back: killed in between, nobody keeps it for good."""
    for file, text in due.files:
        write(file, text)
    if due.give:
        note(given() | set(due.give))
        run("loginctl", "enable-linger", *due.give)
    if due.take:
        for name in due.take:
            if name in accounts and (LINGERING / name).exists():
                run("loginctl", "disable-linger", name)
            (LINGERING / name).unlink(missing_ok=True)  # logind knows no name that has no account
        note(given() - set(due.take))


def main(arguments: Sequence[str]) -> int:
    people = [one for one in pwd.getpwall() if one.pw_uid in USER_UIDS]
    due = decide(people, "--off" in arguments)
    if "--check" in arguments:
        for line in due.words():
            print(line)
        return WOULD_CHANGE if due.words() else CLEAN
    try:
        apply(due, {one.pw_name for one in people})
    except FailureError as error:
        print(f"What containers need could not be given: {error}.", file=sys.stderr)
        return 1
    return 0
