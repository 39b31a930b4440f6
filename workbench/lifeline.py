"""Ends a process once nobody is left that it works for: killed, they cannot tell it to.

What Pulumi's engine starts is in process groups of its own, so that a kill of the engine's leaves it: a deploy would go
on beside the next run's.
"""

import os
import signal
import socket
import sys
from _thread import (
    start_new_thread,  # by name, as sleep: gevent, which pyinfra works with, replaces both later
)
from collections.abc import Callable
from time import sleep

_SECONDS = 0.5


def hold_to_parent() -> None:
    """Ends this process by SIGTERM once the process that started it is gone."""
    parent = os.getppid()
    start_new_thread(_watch, (lambda: os.getppid() == parent,))


def hold_to_engine() -> None:
    """Ends this process by SIGTERM once Pulumi's engine is gone, whose address is a plugin's last argument."""
    host, _, port = sys.argv[-1].rpartition(":")
    if host and port.isdigit():
        start_new_thread(_watch, (lambda: _answers(host, int(port)),))


def _watch(lives: Callable[[], bool]) -> None:
    while lives():
        sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _answers(host: str, port: int) -> bool:
    """Whether somebody listens there. The engine that is stopped for a moment does, by its kernel."""
    try:
        socket.create_connection((host, port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True  # nothing can be told from that
    return True
