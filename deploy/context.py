"""The stack that this run of pyinfra is about, asked for once: `pulumi` takes its time."""

from functools import cache

from workbench import stack
from workbench.stack import Context


@cache
def current() -> Context:
    """Settings and outputs of the stack. Raises WorkbenchError."""
    return stack.context()
