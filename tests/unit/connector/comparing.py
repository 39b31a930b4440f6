"""Both connectors on the same host: it has to end the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.connector import loopback
from tests.unit.connector.loopback import Ours, Run, Stock, remembering

Deploy = Callable[[], object]


def state(host: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(host.iterdir())}


def reset(host: Path, contents: dict[str, bytes]) -> None:
    for path in host.iterdir():
        path.unlink()
    for name, content in contents.items():
        (host / name).write_bytes(content)


def compared(host: Path, deploy: Deploy, between: Callable[[], object] = lambda: None, **data: Any) -> Run:
    """Runs the deploy twice by each connector, with something happening between; gives back our second run.

    The host's state and the number of changes have to be the same after each run.
    """
    before = state(host)
    ends = []
    for connector in (Stock, Ours):
        reset(host, before)
        own = data or remembering(host.parent)
        first = loopback.run(deploy, connector, **own)
        middle = state(host)
        between()
        second = loopback.run(deploy, connector, **own)
        ends.append((first.changes, middle, second.changes, second.failed, state(host)))
    assert ends[0] == ends[1]
    return second
