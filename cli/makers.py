"""Which process made a volume that is there for the time of a command: its tag By says `HOST PID SINCE`.

A lock in the checkout does not tell: there are other checkouts, and other people on the machine.
"""

import os
import re
import socket
from datetime import UTC, datetime

import psutil

from cli.locks import Holder

_BY = re.compile(r"(\S+) ([1-9][0-9]{0,9}) (\S+)")


def this() -> str:
    """This process, as the tag says it."""
    since = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    return f"{socket.gethostname()} {os.getpid()} {since:%Y-%m-%dT%H:%M:%S.%f%z}"


def is_over(by: str) -> bool:
    """Whether it is at work no more: dead, or this process itself, which does one thing after the other.

    Of another machine's, and of what the tag does not say, nobody knows.
    """
    found = _holder(by)
    return by == this() or (found is not None and found.is_dead())


def lives(by: str) -> bool:
    """Whether it is for certain a process of this machine that is at work."""
    found = _holder(by)
    here = found is not None and found.host == socket.gethostname() != "localhost"
    return here and not is_over(by)


def said(by: str) -> str:
    """`HOST, process PID`."""
    found = _holder(by)
    return f"{found.host}, process {found.pid}" if found else by or "another machine"


def _holder(by: str) -> Holder | None:
    match = _BY.fullmatch(by)
    try:
        since = datetime.fromisoformat(match[3]) if match else None
    except ValueError:
        return None
    if match is None or since is None or since.tzinfo is None:
        return None
    return Holder("", match[1], int(match[2]), since)
