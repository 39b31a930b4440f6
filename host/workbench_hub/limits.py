"""What one user may take of the host's memory, as systemd has it, which enforces it."""

import os

# A root control group has a limit where the host is a container: then systemd takes its percentages of that.
ROOTS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes(percent: int) -> int:
    """So many per cent of the memory that the host has at present, in bytes.

    Source: systemd.resource-control(5), MemoryMax=: percentages are "relative to the installed physical memory".
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ROOTS:
        try:
            with open(path) as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
    return total * percent // 100
