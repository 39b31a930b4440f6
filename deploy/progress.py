"""What a run will do, does and did, for whoever started it; and `--data only=SERVICE`, which leaves out the rest.

Where WORKBENCH_EVENTS is the number of an open file, each event is written to it as a line of JSON, which
connector/configure.py shows to a person:

- {"event": "operation", "host", "name", "number", "of"} as each begins;
- {"event": "would", "host", "name", "what": [text, ...]} for each that a dry run finds to do;
- {"event": "end", "host", "changed": [name, ...], "units": [[verb, unit], ...], "operations": number,
  "failed": name or null, "lines": [the last that it said]}, also where the run was cut short.
"""

import json
import os
import re
from contextlib import suppress
from typing import Any

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.context import host, state

from connector import process
from deploy import files

VARIABLE = process.EVENTS
ALWAYS = "apt"  # any service may have packages that are still missing
LAST_LINES = 12
LONGEST = 160  # characters of a command that is shown
_UNIT = re.compile(r"\bsystemctl (start|restart|reload|stop) '?([\w@.*-]+\.\w+)")


def prepared() -> None:
    """The last line of main.py: all operations of this host are known by now, none has run."""
    only = host.data.get("only")
    if only is not None:
        leave_out_all_but(str(only))
    if state.should_check_for_changes():  # type: ignore[no-untyped-call]
        plan()
    if not any(isinstance(handler, Events) for handler in state.callback_handlers):
        state.add_callback_handler(Events())  # type: ignore[no-untyped-call]


def service_of(op_hash: str) -> str | None:
    """The deploy that an operation belongs to; None for what all of them need."""
    service, within, _ = name_of(op_hash).partition(" | ")
    return service if within else None


def name_of(op_hash: str) -> str:
    """What an operation is called; the same on all hosts."""
    return min(state.get_op_meta(op_hash).names)


def leave_out_all_but(service: str) -> None:
    """Takes the operations of all other services off the list. Raises DeployError for a service that there is not."""
    services = list(dict.fromkeys(filter(None, map(service_of, host.op_hash_order))))
    if service not in services:
        raise DeployError(f"{service} is no service of this workbench; there are {', '.join(services)}.")
    kept = [op_hash for op_hash in host.op_hash_order if service_of(op_hash) in {None, ALWAYS, service}]
    for op_hash in set(host.op_hash_order) - set(kept):
        del state.ops[host][op_hash]
    host.op_hash_order[:] = kept


def plan() -> None:
    """Tells what each operation would do to the host as it is now. No secret is in it: none is in a command.

    Raises DeployError with why, where one of them would be refused.
    """
    refused = []
    for op_hash in host.op_hash_order:
        operation = state.get_op_data_for_host(host, op_hash)
        if not operation.operation_meta.will_change:
            continue
        commands = list(operation.command_generator())
        what = [text for command in commands for text in described(command)]
        refused += [command.what for command in commands if isinstance(command, files.Refused)]
        tell(event="would", host=host.name, name=name_of(op_hash), what=what)
        host.log(f"Would change: {name_of(op_hash)}: {'; '.join(what)}")
    if refused:
        raise DeployError(" ".join(refused))


def described(command: Any) -> list[str]:
    """What a command does, in its own words where it has some (deploy/files.py); each of them in a line."""
    lines = getattr(command, "what", "").splitlines() or [" ".join(str(command).split())]
    return [line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..." for line in lines]


def tell(**event: object) -> None:
    """Writes an event, if somebody listens."""
    number = os.environ.get(VARIABLE)
    if number:
        with suppress(OSError):  # the reader has ended; the run goes on
            os.write(int(number), json.dumps(event).encode() + b"\n")


class Events(BaseStateCallback):
    """Tells of operations as they begin, and of each host's end."""

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:  # noqa: ARG004
        order = host.op_hash_order
        if op_hash in order:  # not nested in another
            number = order.index(op_hash) + 1
            tell(event="operation", host=host.name, name=name_of(op_hash), number=number, of=len(order))

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        if state.current_stage >= StateStage.Execute:
            tell(event="end", host=host.name, **summary(state, host))


def summary(state: State, host: Host) -> dict[str, object]:
    """How the run went on one host."""
    changed, units, failed, lines = [], [], None, []
    for op_hash in host.op_hash_order:
        meta = state.get_op_data_for_host(host, op_hash).operation_meta
        if not meta.is_complete() or meta.did_error():
            failed = name_of(op_hash)
            lines = (meta.stderr_lines or meta.stdout_lines)[-LAST_LINES:] if meta.is_complete() else []
            break
        if meta.did_change():
            changed.append(name_of(op_hash))
            units += [found for command in meta._commands or [] for found in _UNIT.findall(str(command))]
    return {
        "operations": len(host.op_hash_order),
        "changed": changed,
        "units": list(dict.fromkeys(units)),
        "failed": failed,
        "lines": lines,
    }
