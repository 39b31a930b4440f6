"""What one user may take: the drop-ins as rendered, judged by systemd's own parser."""

import subprocess
from pathlib import Path

import pytest

from deploy import limits
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench.settings import Limits


def one(**settings: int) -> str:
    return render("limits/user-.slice.conf.j2", limits=Limits.model_validate(settings), swap_mib=512)


@pytest.mark.parametrize(("total", "users"), [(2048, 1536), (8192, 7373), (65536, 58983)])
def test_the_system_keeps_a_tenth_of_the_memory_and_at_least_half_a_gib(total: int, users: int) -> None:
    assert limits.users_memory_mib(total) == users


def test_processors_are_limited_only_where_the_settings_say_so() -> None:
    assert "CPUQuota" not in one()
    assert "CPUQuota=300%\n" in one(cpus=3)
    assert {"MemoryMax=40%", "TasksMax=1000"} <= set(one(memoryPercent=40, tasks=1000).splitlines())


@needs("systemd-analyze")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    texts = {
        "everybody.slice": render("limits/user.slice.conf.j2", memory_mib=1536),
        "one.slice": one(cpus=2),
        "admin.slice": (TEMPLATES / "limits/user-1000.slice.conf").read_text(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in texts]
    said = subprocess.run(
        ["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False
    ).stderr
    assert [line for line in said.splitlines() if str(tmp_path) in line] == []
