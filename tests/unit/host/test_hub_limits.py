"""What one user may take of the memory, as the host has it at present."""

import os
from pathlib import Path

import pytest

from workbench_hub import limits


@pytest.mark.parametrize(("limit", "of"), [("1073741824", 1073741824), ("max", None), ("9" * 18, None)])
def test_it_is_a_share_of_the_host_or_of_what_its_container_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, of: int | None
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(limits, "ROOTS", (str(tmp_path / "none"), str(tmp_path / "memory.max")))
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert limits.memory_bytes(50) == (of or whole) // 2
