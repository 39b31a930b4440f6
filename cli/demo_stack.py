"""Which stack called `lab` is the demo's: the one that this machine's notes have a mark of, nobody's own."""

from pathlib import Path

from workbench import stack, stackfile
from workbench.errors import WorkbenchError

LAB_STACK = "lab"


def is_demos(name: str) -> bool:
    """Whether the stack `name` is the demo's. So is one that nobody has made yet."""
    return stack.short_name(name) == LAB_STACK and (_mark().exists() or not stackfile.path_of(name).exists())


def claim() -> None:
    """Marks the stack as the demo's, before its file is made. Raises WorkbenchError where it is somebody's own."""
    path = stackfile.path_of(LAB_STACK)
    if not is_demos(LAB_STACK):
        raise WorkbenchError(
            f"{path.name} is there already and not the demo's, whose stack is called {LAB_STACK} too; call yours "
            "something else (`pulumi stack rename`), or move the file away. Nothing was changed."
        )
    stack.state_folder(LAB_STACK)
    _mark().touch()


def forget() -> None:
    """Removes the demo's stack file and notes; somebody's own stack of that name stays."""
    if is_demos(LAB_STACK):
        stack.forget(LAB_STACK)


def _mark() -> Path:
    return stack.ROOT / ".workbench" / LAB_STACK / "demo"
