"""What pyinfra does the long way around, done in a shorter one; tests hold each to what pyinfra's own code gives.

What each is worth stands in docs/connector.md.
"""

import importlib
import sys
from copy import copy
from functools import cache
from types import FrameType
from typing import Any

import pyinfra
from pyinfra.api.host import HostData
from pyinfra.api.state import State


def shorten() -> None:
    """From here on pyinfra finds operations' order, its arguments' types and a host's data in a shorter way."""
    arguments: Any = importlib.import_module("pyinfra.api.arguments")
    operation = sys.modules["pyinfra.api.operation"]  # a function hides the module of that name
    if operation.__dict__["get_operation_order_from_stack"] is order_of_caller:
        return
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    HostData.__getattr__ = datum  # type: ignore[method-assign]
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


def datum(self: HostData, key: str) -> Any:
    """The host's datum of that name. Raises AttributeError, for most of the thirty that each operation asks for.

    pyinfra's own makes a generator and several exceptions for each.
    """
    for data in self.__dict__["datas"]:
        found = data() if callable(data) else data
        if key in found:
            return copy(found[key])
    raise AttributeError(f"Host `{self.__dict__['host']}` has no data `{key}`")
