"""A stack's state where it is kept in files, of which a run that was killed while it wrote may have left half a one."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from workbench import stack as stacks
from workbench.errors import WorkbenchError


def exported(stack: str) -> Mapping[str, Any]:
    """The stack's state as `pulumi stack export` has it.

    Removes the empty file beside it that a killed run may leave, for which Pulumi reads no state any more. Raises
    WorkbenchError with what to do where the state itself is damaged.
    """
    question = partial(stacks.Question, "stack", "export", stack=stack)
    try:
        answer: Mapping[str, Any] = question().answer()
    except WorkbenchError as error:
        if "failed to load checkpoint" not in str(error):
            raise
        kept = folder_of(stacks.pulumi("whoami")["url"])
        if kept is None:
            raise
        folder = kept / "stacks"
        name = f"{stacks.short_name(stack)}.json"
        empty = [path for path in folder.rglob(f"{name}*.attrs") if path.stat().st_size == 0]
        if not empty:
            raise WorkbenchError(
                f"The state of stack {stack} cannot be read ({str(error).rpartition(': ')[2]}): {name} below {folder} "
                f"is damaged. Pulumi keeps the state before the last change beside it: copy {name}.bak over it."
            ) from None
        # The state's content type and checksum: it does without, also where a run is writing them.
        for path in empty:
            path.unlink()
        answer = question().answer()
    return answer


def folder_of(backend: str) -> Path | None:
    """Where a backend of files keeps its own (pkg/backend/diy), by its address; None where a service keeps them.

    `pulumi login --local` makes it file://~, and one beside the project is file://./FOLDER.
    """
    url = urlsplit(backend)
    if url.scheme != "file":
        return None
    return stacks.ROOT / Path(url.netloc + unquote(url.path)).expanduser() / ".pulumi"
