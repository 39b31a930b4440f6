"""What a file system says of itself, as the kernel would say it."""

from types import SimpleNamespace
from typing import Any


def blocks(used: float, kept: float = 0.05, files: float = 0.1) -> Any:
    """A disk of 1000 blocks of which a part is in use and a part kept for root, and of 100 files."""
    free = round(1000 * (1 - used))
    available = max(0, free - round(1000 * kept))
    left = round(100 * (1 - files))
    return SimpleNamespace(
        f_blocks=1000, f_bfree=free, f_bavail=available, f_files=100, f_ffree=left, f_favail=left
    )
