"""The data volume on a host that runs."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests import workbench_in_lab
from tests.workbench_in_lab import Workbench
from workbench import stackfile

pytestmark = pytest.mark.lab


def test_homes_and_state_are_on_the_data_volume(workbench: Workbench) -> None:
    device = workbench.outputs.volume_device()
    number = workbench.ssh(f"stat -L -c '%Hr:%Lr' {device}").stdout.strip()
    for path in ("/srv/workbench", "/home"):
        assert workbench.ssh(f"findmnt -rn -o MAJ:MIN -M {path}").stdout.strip() == number
    inodes = workbench.ssh("stat -c '%d %i' /home /srv/workbench/home").stdout.splitlines()
    assert inodes[0] == inodes[1]


def test_a_boot_finds_the_volume_by_its_label_and_goes_on_without_it(workbench: Workbench) -> None:
    lines = [line.split() for line in workbench.ssh("grep workbench-data /etc/fstab").stdout.splitlines()]
    assert {line[1] for line in lines} == {"/srv/workbench", "/home"}
    for line in lines:
        assert line[0] == "LABEL=workbench-data"
        assert "nofail" in line[3].split(",")


def test_without_the_volume_nobody_can_write_where_it_would_be(
    workbench: Workbench,
) -> None:
    script = """
        exec unshare --mount --propagation private sh -c '
            cd /; umount /home && umount --recursive /srv/workbench || exit 9
            runuser -u grace -- mkdir /home/grace && echo made
            runuser -u grace -- mkdir /srv/workbench/x && echo made
            echo tried
        '
    """
    done = workbench.ssh(script, check=False)
    assert done.stdout.split() == ["tried"], done.stderr


@pytest.mark.parametrize("unit", ["jupyterhub.service", "caddy.service", "workbench-accounts.service"])
def test_units_that_need_the_volume_say_so(workbench: Workbench, unit: str) -> None:
    said = workbench.ssh(f"systemctl show -p Requires,After {unit}").stdout
    assert said.count("srv-workbench.mount") == 2, said


def test_a_volume_that_holds_something_else_is_refused_and_left_as_it_is(workbench: Workbench) -> None:
    """The program is given a file on the host in the place of a device."""
    script = """
        truncate -s 64M /root/other && mkfs.ext4 -q -F -L their-data /root/other && sha256sum < /root/other
        /usr/local/lib/workbench/host/bin/volume vol-0123 /root/other; echo $?
        sha256sum < /root/other; rm /root/other
    """
    done = workbench.ssh(script, check=False)
    before, status, after = done.stdout.splitlines()
    assert (status, before) == ("1", after)


def test_up_grows_it_and_where_the_kernel_does_not_in_use_interrupts_nobody_before_a_person_does(
    workbench: Workbench,
) -> None:
    """Where this machine gives containers no CAP_SYS_RESOURCE, growing out of use stands in for growing in use.

    Growing in use is in tests/unit/host/test_volume_in_use.py.
    """
    workbench.ssh(
        "echo 'still here' > /home/ada/precious && systemd-run --unit=at-work --slice=user-$(id -u ada).slice "
        "--uid=ada --working-directory=/home/ada sleep 3600"
    )
    workbench_in_lab.let_the_volume_change_again()
    path = stackfile.path_of(workbench.stack)
    bigger = int(workbench.settings_now.data_volume_gib) + 1
    stackfile.set_value(path, "dataVolumeGib", bigger)
    with probing(workbench) as rounds:
        grown = workbench.command("up", "--yes", check=False)
    assert len(rounds) > 20
    assert set(rounds) == {200}, "no request failed"
    units = "systemctl is-active at-work jupyterhub jupyterhub-proxy caddy"
    assert workbench.ssh(units).stdout.split() == ["active"] * 4, "nobody was interrupted"
    capable = int(workbench.ssh("awk '/CapEff/ { print $2 }' /proc/self/status").stdout, 16) & 1 << 24
    assert (grown.returncode == 0) == bool(capable), grown.stdout + grown.stderr
    if not capable:
        said = " ".join((grown.stdout + grown.stderr).split())
        assert "Permission denied" in said
        assert "damaged" not in said
        free = re.search(r"`(sudo systemd-run [^`]*)`", said)
        assert free, said
        free_volume(workbench, free[1])
        workbench.command("up", "--yes")
        assert workbench.ssh(f"{units} | tail -3").stdout.split() == ["active"] * 3
    size = workbench.ssh("df --output=size -BM /srv/workbench | tail -1 | tr -dc 0-9").stdout
    assert int(size) > (bigger - 1) * 1024
    done = workbench.ssh(
        "systemctl --quiet stop at-work 2>/dev/null; cat /home/ada/precious; rm /home/ada/precious"
    )
    assert done.stdout == "still here\n"
    mounted = workbench.ssh("findmnt -rn -o TARGET -S LABEL=workbench-data").stdout.split()
    assert sorted(path for path in mounted if not path.startswith("/srv/workbench/shared/")) == [
        "/home",
        "/srv/workbench",
    ]
    assert "/srv/workbench/shared/everybody" in mounted


@contextmanager
def probing(workbench: Workbench) -> Iterator[list[int]]:
    """Asks the hub from outside every 50 ms, and notes each status (0 for no answer), while the block lasts."""
    rounds: list[int] = []
    end = threading.Event()

    def ask() -> None:
        with httpx.Client(verify=ssl.create_default_context(cafile=str(workbench.ca)), timeout=5) as client:
            while not end.wait(0.05):
                try:
                    rounds.append(client.get(f"{workbench.url}jupyter/hub/health").status_code)
                except httpx.TransportError:
                    rounds.append(0)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield rounds
    finally:
        end.set()
        asking.join()


def free_volume(workbench: Workbench, command: str) -> None:
    """Does what the refusal says, and waits until the volume is in nobody's use."""
    workbench.ssh(command, check=False)  # which may end the session that it came by
    device, deadline = workbench.outputs.volume_device(), time.monotonic() + 120
    while True:
        checked = workbench.ssh(f"e2fsck -p {device}", check=False)
        if checked.returncode == 0:
            return
        assert time.monotonic() < deadline, checked.stdout + checked.stderr
        time.sleep(1)
