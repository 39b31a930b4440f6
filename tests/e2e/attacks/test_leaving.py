"""Who leaves a group keeps nothing of it: what `grace` prepares while she is a member, and would use afterwards.

Groups of a process are those of its start; here it is about what stays on disks.
"""

import pytest

from tests.e2e.attacks.people import EVERYBODY, by_grace
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

SCRATCH = "/srv/workbench/tmp/grace"
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/home/grace", SCRATCH, EVERYBODY)
FILE = f"{EVERYBODY}/run.sh"


def test_a_program_with_the_set_group_id_bit_gives_nobody_the_groups_rights(workbench: Workbench) -> None:
    """Whoever runs it, for years: it was enough to be a member once. /run/lock runs no programs at all."""
    make = "cp /usr/bin/id $at/c && chgrp workbench-users $at/c && chmod 2755 $at/c && stat -c %a $at/c"
    tries = f"for at in {' '.join(PLACES)}; do {make} && $at/c -gn; rm -f $at/c; done"
    said = [line.split()[-1] for line in by_grace(workbench, tries).splitlines()]
    assert said[::2] == ["2755"] * len(PLACES)
    assert set(said[1::2]) <= {"grace", "denied"}, said


def test_wherever_a_user_can_make_files_such_bits_do_not_count(workbench: Workbench) -> None:
    """All that is mounted without nosuid, searched for folders in which she may write, and files of hers."""
    mounted = [line.split() for line in workbench.ssh("findmnt -rno TARGET,VFS-OPTIONS").stdout.splitlines()]
    guarded = [target for target, options in mounted if "nosuid" in options.split(",")]
    others = [target for target, options in mounted if "nosuid" not in options.split(",")]
    assert {"/tmp", "/var/tmp", "/home", "/srv/workbench", EVERYBODY} <= set(guarded)
    assert "/" in others
    # What Debian's packages have is root's; to look at each of these files would take long.
    prune = " -o ".join(f"-path {target}" for target in (*guarded, "/usr/lib", "/usr/share"))
    hers = f"( {prune} ) -prune -o ( -type d -writable -o -type f -user grace ) -print".translate(
        str.maketrans({"(": r"\(", ")": r"\)"})
    )
    found = by_grace(workbench, f"find {' '.join(others)} -xdev {hers} 2>/dev/null").splitlines()
    assert found == []


def test_a_file_of_the_group_gets_no_second_name_elsewhere(workbench: Workbench) -> None:
    """By which its owner would go on changing what members run (protected_hardlinks lets owners)."""
    inside = "shared/everybody/run.sh"
    targets = (SCRATCH, "/srv/workbench/home/grace", "/home/grace")
    ways = (
        *(f"ln {FILE} {target}/kept" for target in targets),
        f"ln run.sh {SCRATCH}/kept",
        f'python3 -c \'import os; os.link("/proc/self/cwd/run.sh", "{SCRATCH}/kept")\'',
        # As root of a user namespace: what is mounted there from outside cannot be taken away, nor looked beneath.
        f"unshare -Urm sh -c 'umount -l {EVERYBODY}; ln {FILE} {SCRATCH}/kept'",
        *(
            f"unshare -Urm sh -c 'mount --{bind} /srv/workbench /mnt; cd /mnt; ln {inside} tmp/grace/kept'"
            for bind in ("bind", "rbind")
        ),
    )
    begin = f"rm -f {SCRATCH}/kept {targets[1]}/kept; echo true > {FILE}; cd {EVERYBODY}"
    tries = "; ".join(f"{way} 2> /dev/null; stat -c %h {FILE}" for way in ways)
    try:
        assert by_grace(workbench, f"{begin}; {tries}").split() == ["1"] * len(ways)
        assert by_grace(workbench, f"ln {FILE} {FILE}.same && stat -c %h {FILE}").strip() == "2"
    finally:
        workbench.ssh(f"rm -f {FILE} {FILE}.same {' '.join(f'{target}/kept' for target in targets)}")
