"""The data volume on a host that runs."""

import pytest

from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


def test_homes_and_state_are_on_the_data_volume(workbench: Workbench) -> None:
    device = workbench.context.outputs.volume_device()
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
            cd /; umount /home && umount /srv/workbench || exit 9
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
        /usr/local/lib/workbench/volume vol-0123 /root/other; echo $?
        sha256sum < /root/other; rm /root/other
    """
    done = workbench.ssh(script, check=False)
    before, status, after = done.stdout.splitlines()
    assert (status, before) == ("1", after)
