"""What is written to the terminals of people who are logged in: of SSH, of JupyterLab and RStudio, of tmux.

Root opens files of devpts alone, whose names the kernel makes and where nobody can put a link, and asks of the open one
whose it is: a number may be somebody else's by then. Nothing is waited for: a terminal that was stopped (Ctrl-S), or
whose output nobody reads, takes what it has room for. What is written cannot move a cursor or change a terminal
(wall's fault of 2024, CVE-2024-28085): whatever is no plain text is left out here, whoever wrote it.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench_host.processes import ADMIN_UID, USER_UIDS, owners, stat_of

TERMINALS = Path("/dev/pts")
PEOPLE = range(ADMIN_UID, USER_UIDS.stop)  # whoever may log in: the administrator as well
MAJORS = range(136, 144)  # of devpts. Source: Linux, admin-guide/devices.txt, "Unix98 PTY slaves"
# What draws the whole terminal that it is in. The ones inside it, which it shows, are written to as all others.
MULTIPLEXERS = {"tmux: client", "screen"}
FLAGS = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def plain(text: str) -> str:
    """One line of text: what is no printable character is a space."""
    return "".join(one if one.isprintable() else " " for one in text)


def tell(lines: Sequence[str]) -> int:
    """Writes the lines to each terminal of a person; how many terminals there were."""
    # Programs such as editors have the terminal raw, where a line's end alone would not lead to the line's begin.
    said = "".join(f"\r\n{plain(line)}" for line in lines) + "\r\n"
    drawn = set(multiplexed())
    return sum(_write(name, said.encode(), drawn) for name in names())


def names() -> list[str]:
    """All terminals that programs have made, by their numbers."""
    return [name for name in os.listdir(TERMINALS) if name.isdigit()]


def _write(name: str, said: bytes, drawn: set[tuple[int, int]]) -> bool:
    try:
        terminal = os.open(TERMINALS / name, FLAGS)
    except OSError:  # it has just ended, or somebody has it for themselves
        return False
    try:
        found = os.fstat(terminal)
        if found.st_uid not in PEOPLE or not is_terminal(found) or (found.st_uid, found.st_rdev) in drawn:
            return False
        with contextlib.suppress(OSError):  # it is stopped, full, or gone
            os.write(terminal, said)
        return True
    finally:
        os.close(terminal)


def is_terminal(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and os.major(found.st_rdev) in MAJORS


def multiplexed() -> Iterator[tuple[int, int]]:
    """The terminals (uid, device number) in whose foreground is a program of that user's that draws all of it.

    By the user as well: who makes a devpts of their own has terminals there of the same numbers as others' here.
    """
    for pid, uid in owners():
        found = stat_of(pid) if uid in PEOPLE else None
        if found and found.command in MULTIPLEXERS and found.group == found.foreground:
            yield uid, found.terminal
