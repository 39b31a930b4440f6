"""What processes have of a folder is read from their memory, which their users can have wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench_host import processes


def test_what_was_started_from_a_folder_or_has_a_file_of_it_mapped_uses_it(tmp_path: Path) -> None:
    assert processes.run_from(Path(sys.base_prefix) / "lib") or processes.run_from(Path("/usr/lib"))
    assert not processes.run_from(tmp_path)
    with subprocess.Popen(["sleep", "60", f"{tmp_path}/x"], executable="sleep") as child:
        assert not processes.run_from(tmp_path / "another")
        child.kill()
    program = tmp_path / "sleep"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "60"]) as child:
        assert processes.run_from(tmp_path)
        child.kill()


def test_one_that_cannot_be_looked_at_in_time_may_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1").mkdir()
    os.mkfifo(tmp_path / "1" / "cmdline")
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    monkeypatch.setattr(processes, "MEMORY_SECONDS", 0.2)
    assert processes.run_from(tmp_path / "folder")
