"""A host that has to get ready first is read after that, whatever is remembered of it."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from pyinfra.api.operation import operation
from pyinfra.context import host as target

from connector.session import Session
from tests.unit.connector import loopback
from tests.unit.connector.comparing import compared, state
from tests.unit.connector.loopback import Ours, Says, note, remembering


def seen_after_an_update(host: Path, older: Callable[[], None], newer: Callable[[], None]) -> bytes:
    """What `newer` has seen of a host that says something new once it is ready, with the memory of `older`."""
    (host / "now").write_text("one\n")
    for deploy, new in ((older, "one\n"), (newer, "two\n")):
        (host / "new").write_text(new)
        loopback.run(deploy, Ours, **remembering(host.parent))
    return state(host)["seen"]


def test_what_an_older_deploy_did_not_wait_for_is_waited_for(host: Path) -> None:
    """It remembers the wait as a fact like any other, so its batch reads before the host is ready."""
    wait = f"sleep 0.5; cat {host}/new > {host}/now; echo ready"

    def older() -> None:
        target.get_fact(Says, line=wait)
        note(line=f"cat {host}/now", dest=f"{host}/seen")

    def newer() -> None:
        ready(line=wait)
        note(line=f"cat {host}/now", dest=f"{host}/seen")

    assert seen_after_an_update(host, older, newer) == b'["two"]\n'


class Ready(Says):
    """A fact that waits."""

    waits = True


@operation()
def ready(line: str) -> Generator[str, None, None]:
    """Waits until the command is through."""
    target.get_fact(Ready, line=line)
    yield from ()


def test_nothing_is_read_before_the_host_is_ready(host: Path) -> None:
    def deploy() -> None:
        ready(line=f"sleep 0.3; cat {host}/new > {host}/now; echo ready")
        note(line=f"cat {host}/now", dest=f"{host}/seen")

    (host / "new").write_text("one\n")
    second = compared(host, deploy, lambda: (host / "new").write_text("two\n"))
    assert second.changes == 1
    assert state(host)["seen"] == b'["two"]\n'
    assert [command for command in second.commands if "sleep" in command] == [], "it came first in the batch"


def test_what_was_read_before_the_host_was_ready_counts_no_more(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is not ready within the time of a batch: the fact is asked alone, and all others anew."""
    monkeypatch.setattr(Session.ask, "__defaults__", (0.2,))

    def deploy() -> None:
        note(line=f"cat {host}/now", dest=f"{host}/first")
        ready(line=f"sleep 0.5; cat {host}/new > {host}/now; echo ready")
        note(line=f"cat {host}/now", dest=f"{host}/seen")

    (host / "new").write_text("one\n")
    (host / "now").write_text("one\n")
    compared(host, deploy, lambda: (host / "new").write_text("two\n"))
    assert state(host)["seen"] == b'["two"]\n'


def test_of_two_that_an_older_deploy_waited_for_the_second_is_waited_for(host: Path) -> None:
    """It remembers both as first, so the first of them was read before the host was ready."""
    wait = f"sleep 0.3; cat {host}/new > {host}/now; echo ready"

    def older() -> None:
        ready(line=f"cat {host}/now")
        ready(line=wait)

    def newer() -> None:
        ready(line=wait)
        note(line=f"cat {host}/now", dest=f"{host}/seen")

    assert seen_after_an_update(host, older, newer) == b'["two"]\n'
