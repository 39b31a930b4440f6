"""What there is of a rebuild that has begun and not ended (cli/rebuilding.py), for who looks and for who goes on."""

import os
from collections.abc import Mapping
from typing import Any

from cli import makers, repair
from cli.disks import Disks
from cli.machines import Machine, Machines
from workbench import stack as stacks
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE

Exported = Mapping[str, Any]


def of(stack: str, exported: Exported) -> tuple[Disks, Machine] | None:
    """The former server of one.

    Of a stack that the state does not know, only where somebody says by its id which it is.
    """
    adopted = os.environ.get(ADOPT_VARIABLE)
    stack_id = repair.stack_id(exported) or (adopted if adopted != ADOPT_NONE else None)
    if not stack_id:
        return None
    disks = Disks(stack, stack_id, stacks.aws_config(stack))
    former = Machines(disks).former()
    return (disks, former) if former else None


def unfinished(stack: str, former: Machine) -> str:
    """A sentence that says so, and how it goes on."""
    return (
        f"A rebuild of stack {stack} has begun and not ended ({former.id} is the server from before, {former.state}): "
        "`workbench rebuild` goes on with it, `workbench up` goes on or back."
    )


def told(stack: str, exported: Exported) -> list[str]:
    """A sentence about a rebuild that has not ended, for who only looks; none where there is none."""
    found = of(stack, exported)
    if found is None:
        return []
    _, former = found
    if makers.lives(former.by):
        return [
            f"A rebuild of stack {stack} is at work ({makers.said(former.by)}); {former.id} is the server from before."
        ]
    return [unfinished(stack, former)]
