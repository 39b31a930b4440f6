"""A run that died is repaired by the next: what it was at is put in order before anything else is done.

What it made in AWS without its state knowing, the program takes back by itself (infra/adoption.py). Here is what a
program cannot do: the key pair, which nobody can take back, is removed, and before a destroy all is taken into the
state, so that it goes with the rest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import account, common, engine, locks, statefile
from cli.common import console
from cli.progress import interrupted
from workbench import leftovers, stackfile
from workbench import stack as stacks

Exported = Mapping[str, Any]
_KEY_PAIR = "aws:ec2/keyPair:KeyPair"


@dataclass(frozen=True)
class Repaired:
    """A stack's state, and the resources that runs which died were about to create: their records, as they stood."""

    exported: Exported
    creating: Sequence[Mapping[str, Any]] = ()


def export(stack: str) -> Exported:
    """The stack's state. No secret is decrypted."""
    return statefile.exported(stack)


def pending(exported: Exported) -> list[Mapping[str, Any]]:
    """What the engine was at when a run died: [{resource, type}, ...]."""
    return list((exported.get("deployment") or {}).get("pending_operations") or ())


def stack_id(exported: Exported) -> str | None:
    """The id that all of the stack carries in AWS; None where the state has none yet."""
    begun = [operation["resource"] for operation in pending(exported)]
    told = [*stacks.resources_in(exported), *({"outputs": one.get("inputs")} for one in begun)]
    return leftovers.stack_id_of(told)


def repaired(stack: str, exported: Exported | None = None) -> Repaired:
    """The state with nothing in it of which nobody knows how it ended. `exported`: it, where it has just been read.

    Raises WorkbenchError where another run is at it, or AWS does not say what became of something.
    """
    exported = exported or export(stack)
    died = pending(exported)
    if died:  # unless it is a run that lives, which is at it
        locks.refuse_living(stack, locks.of(stack) or [])
    begun = _noted(stack) + [one["resource"] for one in died if one["type"] == "creating"]
    creating = list({one["urn"]: one for one in begun}.values())  # what was noted may be pending still
    for operation in died:
        console.print(
            f"Of an earlier run it is not known how it ended: {interrupted(operation)}.", markup=False
        )
    if died:
        # The state forgets them now; should this run die as well, the next knows them from here.
        stackfile.write(_records(stack), json.dumps(creating))
        with common.stage("Ask AWS what became of it"):
            engine.run(stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates", program=False)
        exported = export(stack)
    _remove_keys(stack, exported, creating)
    return Repaired(exported, creating)


def done(stack: str) -> None:
    """Nothing is left of a run that died."""
    _records(stack).unlink(missing_ok=True)


def _records(stack: str) -> Path:
    return stacks.state_folder(stack) / "creating.json"


def _noted(stack: str) -> list[Mapping[str, Any]]:
    """The records that a run noted which died itself while it put them in order."""
    try:
        noted: list[Mapping[str, Any]] = json.loads(_records(stack).read_text())
    except (OSError, ValueError):
        return []
    return noted


def _remove_keys(stack: str, exported: Exported, creating: Sequence[Mapping[str, Any]]) -> None:
    """Removes the key pairs among the records that the state still lacks; the next run makes them anew."""
    names = {one["inputs"].get("keyName") for one in creating if one["type"] == _KEY_PAIR}
    if names:
        keys = [one for one in left_over(stack, exported) if one.type == _KEY_PAIR and one.what.id in names]
        for gone in account.remove(stack, keys):
            console.print(f"  {gone.what} removed: it is made anew", markup=False)


def take_into_state(stack: str, state: Repaired) -> None:
    """Has the engine import what AWS has of the records, so that a destroy takes it along.

    Only what exactly one thing in AWS fits, by type, role and the stack's id: that the dead run made it, its own record
    shows. What is part of something else (rules, routes, attachments) goes with that. A data volume comes protected,
    so that it stays: the record may be old, and people's work on it by now.
    """
    missing = account.unknown(account.of(stack), state.exported)
    resources: dict[bool, list[dict[str, str]]] = {False: [], True: []}  # by whether it is protected
    parents = {}
    for record in state.creating:
        tags = (record.get("inputs") or {}).get("tags") or {}
        fitting = [
            one
            for one in missing
            if (one.type, one.role, one.what.stack_id)
            == (record["type"], tags.get("Role"), tags.get("StackId"))
        ]
        if len(fitting) == 1:
            name = record["urn"].rpartition("::")[2]
            parent = record["parent"].rpartition("::")[2]
            parents[parent] = record["parent"]
            resources[account.holds_data(fitting[0])].append(
                {"type": record["type"], "name": name, "id": fitting[0].what.id, "parent": parent}
            )
    path = stacks.state_folder(stack) / "import.json"
    for protected, wanted in resources.items():
        if wanted:
            path.write_text(json.dumps({"nameTable": parents, "resources": wanted}))
            with common.stage("Take into the state what the run that died has made"):
                options = (
                    "--yes",
                    "--skip-preview",
                    f"--protect={str(protected).lower()}",
                    "--generate-code=false",
                )
                engine.run(stack, "import", "--file", str(path), *options, program=False)
            path.unlink()


def left_over(stack: str, exported: Exported) -> list[account.Found]:
    """What AWS has under the stack's name or id, and its state does not know."""
    return account.unknown(account.of(stack, stack_id(exported)), exported)


def tell_left_over(found: Sequence[account.Found]) -> None:
    """Lists it, with what it costs, and how it goes."""
    console.print(
        "In AWS, and not in the stack's state (by the id that each carries):\n"
        f"{leftovers.listing([one.what for one in found])}\n"
        "`workbench doctor --remove ID` removes what you name; data volumes and zones are never removed, and what a "
        "restore has kept by `workbench delete-snapshot ID` alone.",
        markup=False,
    )
