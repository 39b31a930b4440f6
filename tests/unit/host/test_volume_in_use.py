"""The data volume's filesystem grows while it is in use, on a kernel of the test's own.

A container may lack CAP_SYS_RESOURCE, and then its kernel grows no ext4 in use. Debian's user-mode-linux is a kernel
that runs as a process, with every capability: its root is this machine's, read-only, its disk a file of the test's.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.needs import needs
from workbench import ROOT

pytestmark = needs("linux.uml", "mkfs.ext4", "dumpe2fs")

INIT = f"""#!/bin/sh
exec 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={{programs}} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc && mount -t tmpfs dev /dev && cd /dev
mknod ubda b 98 0; mknod null c 1 3; mknod urandom c 1 9
mkfs.ext4 -q -F ubda 64M && mkdir data && mount -t ext4 ubda data && echo precious > data/file
{sys.executable} -S {{probe}} & sleep 1
umount data || echo said: in use
{sys.executable} -S -c '
from workbench_host.volume import program as volume
volume.MOUNT = "/dev/data"
print("said: can grow", volume.can_grow("/dev/ubda"))
volume.grow("/dev/ubda")
print("said: can grow", volume.can_grow("/dev/ubda"))'
sleep 1; touch stop; wait; echo said: $(cat data/file)
umount data; e2fsck -f -n ubda > null; echo said: e2fsck $?
echo o > /proc/sysrq-trigger; sleep 10
"""

# As whoever works on it: every 50 ms it writes, syncs and reads. An error of any kind, and it says nothing.
PROBE = """\
import os, time
rounds, longest = 0, 0.0
with open("data/log", "ab", buffering=0) as log:
    while not os.path.exists("stop"):
        begin = time.monotonic()
        log.write(b"x" * 4096)
        os.fsync(log.fileno())
        assert open("data/file").read() == "precious\\n"
        rounds, longest = rounds + 1, max(longest, time.monotonic() - begin)
        time.sleep(0.05)
assert os.path.getsize("data/log") == 4096 * rounds
print("said: no round failed" if rounds > 10 else f"said: {rounds} rounds only")
print(f"measured: {rounds} rounds, the longest {1000 * longest:.0f} ms")
"""


def test_a_filesystem_in_use_grows_and_keeps_what_it_holds(tmp_path: Path) -> None:
    init, disk, probe = tmp_path / "init", tmp_path / "disk", tmp_path / "probe.py"
    probe.write_text(PROBE)
    init.write_text(INIT.format(programs=ROOT / "host", probe=probe))
    init.chmod(0o755)
    disk.touch()
    os.truncate(disk, 1024**3)
    kernel = ["linux.uml", "mem=192M", f"ubd0={disk}", f"uml_dir={tmp_path}", "con=null", "con0=null,fd:1"]
    root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}"]
    done = subprocess.run(
        [*kernel, *root], capture_output=True, text=True, errors="replace", timeout=240, check=False
    )
    said = [line.strip().partition("said: ")[2] for line in done.stdout.splitlines() if "said: " in line]
    expected = ["in use", "can grow True", "can grow False", "no round failed", "precious", "e2fsck 0"]
    assert said == expected, done.stdout + done.stderr
    print(*(line for line in done.stdout.splitlines() if "measured: " in line))
