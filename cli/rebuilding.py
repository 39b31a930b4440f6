"""A new server takes the present one's place. Cut off anywhere, the roles of the servers say how far it came.

1. The server becomes FORMER. It runs on, and people work on it.
2. The state forgets it and what hangs on it (attachment, association, schedule, configuration), and the program makes
   another beside it, of the image that fits best, without any of these. Where AWS has no room for one, or it does not
   boot, nobody has noticed anything. (`pulumi up --target` is no way to do that: 3.260 leaves a state that it cannot
   read itself, where it skips one thing and imports another that depends on it.)
3. People are given their time. The former one stops, and lets go of data volume and address.
4. The program gives these to the new one, and configures it.
5. Once the new one is found healthy, the former one gets the tag REPLACED_BY. Until here it goes back, from here on it
   goes forward only: people get to work on the new one.
6. The former one is ended.

Until 6 is done, the program refuses all other runs (infra/existing.py).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cli import begun, common, engine, loudness, makers, repair, swapping, words
from cli.common import console
from cli.disks import Disks
from cli.machines import Machine, Machines
from cli.server import settled_status
from cli.waiting import until
from connector import configure
from workbench import servers
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

Exported = Mapping[str, Any]


# What there is of a rebuild that has not ended.


def refuse_unfinished(disks: Disks) -> None:
    """Raises WorkbenchError where a rebuild has begun and not ended."""
    if one := Machines(disks).former():
        raise WorkbenchError(f"{begun.unfinished(disks.stack, one)} Nothing was changed.")


def refuse_living(stack: str, former: Machine) -> None:
    """Raises WorkbenchError where its process lives, or may live, since it is another machine's."""
    if not makers.is_over(former.by):
        raise WorkbenchError(
            f"A rebuild of stack {stack} has begun on {makers.said(former.by)} and not ended; wait for it. If you know "
            "that it is dead, `workbench rebuild` goes on with it."
        )


def settle(stack: str, exported: Exported) -> bool:
    """Ends what a dead rebuild has left: forward once the new server was healthy, else back; whether it did.

    To be called with `swapping.alone`. Raises WorkbenchError where it lives, or may live.
    """
    found = begun.of(stack, exported)
    if found is None:
        return False
    disks, former = found
    refuse_living(stack, former)
    take_over(disks, former)
    if former.replaced_by or _is_well(stack, disks, exported):
        console.print(f"A rebuild that died is ended: the new server is healthy, and {former.id} goes.")
        finish(disks, former)
    else:
        console.print(
            f"A rebuild that died is taken back: its new server was never healthy, and {former.id} is the server again."
        )
        go_back(stack, disks, former)
    return True


def settled(stack: str, state: repair.Repaired) -> repair.Repaired:
    """The state once nothing of a rebuild that died is left; see `settle`."""
    if settle(stack, state.exported):
        return repair.Repaired(repair.export(stack), state.creating)
    return state


def end_all(stack: str, state: repair.Repaired) -> repair.Repaired:
    """Before a destroy, which ends the new server too: ends the former one, that nothing paid for stays unseen."""
    found = begun.of(stack, state.exported)
    if found is None:
        return state
    disks, former = found
    refuse_living(stack, former)
    with common.stage(f"End the server {former.id}, of a rebuild that did not end"):
        _forget(stack, former.id)
        Machines(disks).end(former.id)
    return repair.Repaired(repair.export(stack), state.creating)


# The steps.


def begin(disks: Disks, server: str) -> Machine:
    """Step 1: from here on it is a rebuild, of this process."""
    machines = Machines(disks)
    machines.rename(server, servers.FORMER, By=makers.this())
    # AWS may find things by their former tags for a while, and the next steps go by what it finds.
    found: Machine = until(machines.former, lambda one: one.id, server, "the former server by its tags")
    return found


def refuse_at_work(disks: Disks, former: Machine) -> None:
    """Raises WorkbenchError where the rebuild's process lives; not where it may, which who goes on with it knows."""
    if makers.lives(former.by):
        raise WorkbenchError(
            f"A rebuild of stack {disks.stack} is at work ({makers.said(former.by)}); wait for it to end."
        )


def take_over(disks: Disks, former: Machine) -> None:
    """A rebuild that died is this process's now; see refuse_at_work."""
    Machines(disks).note(former.id, By=makers.this())


def make_beside(stack: str, disks: Disks, former: Machine) -> None:
    """Step 2. Raises WorkbenchError where it cannot be made, or does not boot; the former one is as it was."""
    with common.stage("Make a new server beside the present one"), running(former):
        _forget(stack, former.id)
        engine.run(stack, "up", "--yes", "--skip-preview")
    seen = until(Machines(disks).server, lambda _: "there", "there", "the new server by its tags")
    with common.stage(f"Wait until the new server {seen.id} has booted"):
        Machines(disks).prove(seen.id)


def is_untouched(disks: Disks, former: Machine) -> bool:
    """Whether people have not been cut off from it."""
    now, data = Machines(disks).former(), disks.data()
    return now is not None and now.state == "running" and data is not None and data.server == former.id


def _require_own(disks: Disks, former: Machine) -> None:
    """Raises WorkbenchError where the rebuild is another process's by now, or has ended: nothing may be ended then."""
    now = Machines(disks).former()
    if now is None or now.id != former.id or now.by != makers.this():
        whose = f"{makers.said(now.by)} has it now" if now else "it has ended"
        raise WorkbenchError(f"The rebuild of stack {disks.stack} is not this run's any more: {whose}.")


def move(disks: Disks, former: Machine) -> None:
    """Step 3."""
    _require_own(disks, former)
    with common.stage(f"Stop the former server {former.id}"):
        Machines(disks).release(former.id)


@contextmanager
def running(former: Machine) -> Iterator[None]:
    """The program runs although a rebuild has not ended, since it is this one's."""
    os.environ[servers.REBUILD_VARIABLE] = former.id
    try:
        yield
    finally:
        del os.environ[servers.REBUILD_VARIABLE]


def finish(disks: Disks, former: Machine) -> None:
    """Steps 5 and 6. Raises WorkbenchError where no other server has the data volume."""
    _require_own(disks, former)
    machines = Machines(disks)
    new, data = machines.server(), disks.data()
    if new is None or data is None or data.server != new.id:
        raise WorkbenchError(
            f"The server {former.id} is not ended: no other one of stack {disks.stack} has the data volume."
        )
    if not former.replaced_by:
        machines.note(former.id, **{servers.REPLACED_BY: new.id})
    with common.stage(f"End the former server {former.id}"):
        machines.end(former.id)


def go_back(stack: str, disks: Disks, former: Machine) -> None:
    """As before the rebuild, the former server running; the next run of the program takes it into the state."""
    _require_own(disks, former)
    machines = Machines(disks)
    if new := machines.server():
        _forget(stack, new.id)
        machines.end(new.id)
    machines.give_back(former.id)
    machines.rename(former.id, servers.SERVER)
    until(machines.server, lambda one: one.id, former.id, "the server by its tags")


def _forget(stack: str, server: str) -> None:
    """Has the state forget a server, where it has that one."""
    for one in stacks.resources_in(repair.export(stack)):
        if one["type"] == words.SERVER and one.get("id") == server:
            swapping.drop(stack, one["urn"])


# Whether the new server is healthy.


def require_well(stack: str, facts: Outputs, configured: bool) -> None:
    """Returns once it is. Raises WorkbenchError with what is wrong."""
    with common.stage("See whether the new server is healthy"), loudness.quiet_prints():
        configure.wait_for_ssh(facts.address)
        if configured and (ailing := _ailing(stack, patient=True)):
            raise WorkbenchError(f"The new server is not healthy: {ailing}.")


def _is_well(stack: str, disks: Disks, exported: Exported) -> bool:
    """Whether the new server of a rebuild that died is healthy by now; the state says whether it was configured."""
    new, facts, data = Machines(disks).server(), stacks.outputs_in(exported), disks.data()
    if new is None or facts is None or facts.instance_id != new.id or new.state != "running":
        return False
    if data is None or data.server != new.id or not configure.answers(facts.address):
        return False
    if not stacks.settings(stack).configure:
        return True
    configured = any(one["type"] == words.CONFIGURATION for one in stacks.resources_in(exported))
    return configured and not _ailing(stack, patient=False)


def _ailing(stack: str, patient: bool) -> str:
    """What is not up once nothing starts any more; "" where all is. `patient`: also with one that does not answer."""
    report = settled_status(stack, patient)
    problem, services = report.get("problem", ""), report["services"]
    if problem or not services:
        return str(problem or "it does not say how its services are").rstrip(".")
    down = {name: one for name, one in services.items() if one["state"] != "up"}
    return "; ".join(f"{name} is {one['state']} ({one['detail']})" for name, one in down.items())
