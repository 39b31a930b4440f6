"""All that replaces something inside pyinfra or paramiko, by something that comes to the same in less time.

It was made for the versions in MADE_FOR, whose own code the tests compare each with. With others nothing is replaced:
a deploy then takes as long as by pyinfra's own connector, and comes to the same. What each is worth stands in
docs/connector.md.
"""

import importlib
import sys
from collections.abc import Callable
from copy import copy
from functools import cache
from importlib.metadata import version
from types import FrameType, SimpleNamespace
from typing import Any

import pyinfra
from pyinfra import logger
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.host import Host
from pyinfra.api.state import State

MADE_FOR = {"pyinfra": "3.10.0", "paramiko": "4.0.0"}


@cache
def fits() -> bool:
    """Whether these are the versions that all of this was made for; says so once where they are not."""
    found = {name: version(name) for name in MADE_FOR}
    if found != MADE_FOR:
        names = " and ".join(f"{name} {number}" for name, number in found.items())
        logger.warning("This deploy takes longer: the connector was made for other versions than %s.", names)
    return found == MADE_FOR


def watch_facts(host: Host, read: Callable[..., Any]) -> Callable[..., Any]:
    """Has `read` called in the place of `host.get_fact`, and gives that back."""
    own: Callable[..., Any] = host.get_fact
    if fits():
        host.__dict__["get_fact"] = read
    return own


def shorten() -> None:
    """From here on pyinfra finds the order of operations, their arguments and its connectors in a shorter way."""
    if not fits():
        return
    arguments: Any = importlib.import_module("pyinfra.api.arguments")
    operation = sys.modules["pyinfra.api.operation"]  # a function hides the module of that name
    if operation.__dict__["get_operation_order_from_stack"] is order_of_caller:
        return
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    for module in (operation, *(sys.modules[f"pyinfra.api.{name}"] for name in ("deploy", "facts"))):
        module.__dict__["pop_global_arguments"] = global_arguments
    connectors: Any = importlib.import_module("pyinfra.api.connectors")
    connectors.entry_points = cache(connectors.entry_points)
    operation.__dict__["get_operation_order_from_stack"] = order_of_caller


def order_of_caller(state: State) -> list[int]:
    """The lines that led to an operation, from the deploy's file inwards, without those that are pyinfra's own.

    pyinfra asks inspect.stack(), which looks up the source of every frame on the way; for a file that is no module it
    searches all modules there are.
    """
    frames: list[FrameType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    files = [frame.f_code.co_filename for frame in frames]
    start = state.current_deploy_filename
    first = files.index(start) if start in files else 0 if not start else len(frames)
    own = importlib.import_module("pyinfra.api.util").PYINFRA_INSTALL_DIR
    lines = [
        frame.f_lineno
        for frame, file in zip(frames[first:], files[first:], strict=True)
        if not file.startswith(own)
    ]
    return [state.current_op_file_number, *lines] if pyinfra.is_cli else lines


class Quick:
    """A host as far as its global arguments go, its data gathered once: pyinfra goes through them thirty times."""

    def __init__(self, host: Host) -> None:
        self.current_deploy_kwargs = host.current_deploy_kwargs
        data: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
        own = {key: copy(value) for key, value in data.items() if key.startswith("_")}
        self.data = SimpleNamespace(**own)


def global_arguments(state: State, host: Host, kwargs: dict[str, Any]) -> tuple[Any, list[str]]:
    """What pyinfra's own pop_global_arguments gives."""
    quick: Any = Quick(host)
    return pop_global_arguments(state, quick, kwargs)
