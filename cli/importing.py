"""Modules that take a second to import, begun before they are needed; all by one thread.

Pulumi's import each other: two threads at it at once would each find the other's half done.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any

PROTOCOL = "cli.program"  # what serves the program to the engine
PROGRAM = "infra.program"

_thread = ThreadPoolExecutor(1)


@cache
def begun(module: str) -> "Future[Any]":
    """The module, once its import is through."""
    return _thread.submit(import_module, module)


def begin() -> None:
    """Both, in the order in which the engine needs them."""
    begun(PROTOCOL)
    begun(PROGRAM)
