"""What is said of settings: where it stands in them, and what is wrong there or worth knowing."""

from collections.abc import Sequence
from dataclasses import dataclass

NAMESPACE = "workbench"

KeyPath = tuple[str | int, ...]  # keys and indexes below `workbench:`


@dataclass(frozen=True)
class Fault:
    """One thing to say of the setting at `path`: the words that follow its key, without the full stop."""

    path: KeyPath
    complaint: str

    def __str__(self) -> str:
        return f"{key_of(self.path)} {self.complaint}."


def key_of(path: Sequence[str | int]) -> str:
    """`workbench:users[0].name` for ("users", 0, "name")."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{NAMESPACE}:{text}"
