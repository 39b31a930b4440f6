"""What a run changes on the host, in the host's own journal, for `workbench logs deploy`; where nothing, it is silent.

Who began is there as soon as something changed, so that a run that was cut short has a beginning and no end. Names of
operations are in it and nothing of what they write: no secret.
"""

from contextlib import suppress

from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.context import state

from connector.session import me
from deploy import progress
from workbench_host.logs import DEPLOY

MOST = 200  # characters of a name


class Notes(BaseStateCallback):
    """Writes them; one request to the host as the first change is made, and one at the end."""

    @staticmethod
    def operation_end(state: State, op_hash: str) -> None:
        """After each operation that did not fail on all hosts."""
        for host in state.inventory.get_active_hosts():
            if op_hash not in host.op_hash_order:
                continue
            meta = state.get_op_data_for_host(host, op_hash).operation_meta
            if meta.is_complete() and meta.did_change():
                begin(host)
            if op_hash == host.op_hash_order[-1] and host.name in _begun:
                note(host, ended(progress.summary(state, host)))

    @staticmethod
    def operation_host_error(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,
        retry_count: int = 0,  # noqa: ARG004
        max_retries: int = 0,  # noqa: ARG004
    ) -> None:
        """At once: after it the host is left."""
        begin(host)
        name = progress.name_of(op_hash)[:MOST]
        note(host, [f"failed: {name}; the log of whoever ran it says why"], "user.err")


def keep() -> None:
    """Has this run write what it changes; once, however many hosts there are."""
    if not any(isinstance(handler, Notes) for handler in state.callback_handlers):
        state.add_callback_handler(Notes())  # type: ignore[no-untyped-call]


_begun: set[str] = set()  # names of hosts


def begin(host: Host) -> None:
    if host.name not in _begun:
        _begun.add(host.name)
        note(host, [f"begun by {me()}"])


def ended(summary: dict[str, object]) -> list[str]:
    """The lines for a run that is through."""
    changed, units = summary["changed"], summary["units"]
    assert isinstance(changed, list)
    assert isinstance(units, list)
    lines = [f"changed: {name[:MOST]}" for name in changed]
    lines += [f"{verb}: {unit}" for verb, unit in units]
    return [*lines, f"through: {len(changed)} of {summary['operations']} operations changed something"]


def note(host: Host, lines: list[str], priority: str = "user.notice") -> None:
    """Has the host write an entry for each line. What comes of it is no matter for the run."""
    logger = StringCommand("logger", "-t", DEPLOY, "-p", priority)
    with suppress(OSError, EOFError, SSHException):  # the host is gone: the run itself says so
        host.run_shell_command(logger, print_output=False, print_input=False, _sudo=True, _stdin=lines)
