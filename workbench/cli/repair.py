"""A run that died is repaired by the next: what it was at is settled before anything else is done."""

from collections.abc import Mapping
from typing import Any

from workbench import stack as stacks
from workbench.cli import common, engine
from workbench.cli.common import console
from workbench.cli.progress import described


def pending(exported: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the engine was at when the last run died: [{resource, type}, ...], of an exported state."""
    return list((exported.get("deployment") or {}).get("pending_operations") or ())


def settled(stack: str) -> Mapping[str, Any]:
    """The stack's state, with nothing in it of which nobody knows how it ended.

    Raises WorkbenchError where another run is at it, or AWS does not say what became of something.
    """
    exported: Mapping[str, Any] = stacks.Question("stack", "export", stack=stack).answer()
    unfinished = pending(exported)
    if not unfinished:
        return exported
    for operation in unfinished:
        what = described(operation["resource"]["urn"])
        console.print(f"The last run died while it was {operation['type']} {what}.", markup=False)
    with common.stage("Ask AWS what became of it"):
        clearing = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        engine.run(stack, *clearing, program=False)
    again: Mapping[str, Any] = stacks.Question("stack", "export", stack=stack).answer()
    return again
