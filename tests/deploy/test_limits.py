"""What one user may take on a host that runs.

The kernel that the lab's instances share does not give its containers the controllers for memory and tasks, so nothing
here can be driven into its limit: what is tested is what systemd is told, and where a person's processes are.
"""

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

GREEDY = """
import subprocess
block = bytearray(512 * 1024**2)
children = [subprocess.Popen(["sleep", "60"]) for _ in range(200)]
print(len(block) // 1024**2, sum(child.poll() is None for child in children))
"""


def properties(workbench: Workbench, unit: str, *names: str) -> dict[str, str]:
    shown = workbench.ssh(f"systemctl show -p {','.join(names)} {unit}").stdout
    return dict(line.split("=", 1) for line in shown.split())


def test_every_user_has_a_limit_and_the_administrator_none(workbench: Workbench) -> None:
    names = ("MemoryMax", "TasksMax", "CPUWeight")
    total = int(workbench.ssh("awk '/MemTotal/ {print $2}' /proc/meminfo").stdout) * 1024
    one = properties(workbench, "user-2001.slice", *names)
    assert abs(int(one["MemoryMax"]) - total // 2) < 1024**2
    assert (one["TasksMax"], one["CPUWeight"]) == ("4096", "100")
    admin = properties(workbench, "user-1000.slice", *names)
    assert admin == {"MemoryMax": "infinity", "TasksMax": "infinity", "CPUWeight": "400"}


def test_all_users_together_leave_the_system_its_share(workbench: Workbench) -> None:
    total = workbench.outputs.memory_mib
    everybody = properties(workbench, "user.slice", "MemoryMax")
    assert int(everybody["MemoryMax"]) // 1024**2 == total - 512


def test_one_user_takes_much_and_others_keep_computing(workbench: Workbench) -> None:
    """All of it stays in that user's slice, where a kernel that enforces limits would end it at the limit."""
    with Visitor(workbench.url, workbench.ca) as grace, Visitor(workbench.url, workbench.ca) as ada:
        for visitor, name in ((grace, "grace"), (ada, "ada")):
            visitor.login(name, workbench.password(name))
            visitor.spawn()
        assert grace.run_code(GREEDY).split() == ["512", "200"]
        assert ada.run_code("5 * 4").strip() == "20"
        astray = "ps -u grace -o cgroup= | grep -v user.slice/user-2001.slice"
        assert workbench.ssh(astray, check=False).stdout == ""
        unit = properties(workbench, "jupyter-grace-singleuser", "OOMPolicy", "LimitNOFILESoft", "Slice")
        assert unit == {"OOMPolicy": "continue", "LimitNOFILESoft": "8192", "Slice": "user-2001.slice"}
