"""The lab with everything real: instances boot, volumes hold, addresses lead to them, kills cost nothing."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lab import control, daemon
from lab.paths import Layout, home
from tests import workbench_in_lab
from tests.lab.world import ZONE, World, output, traces, wait_until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := workbench_in_lab.unable():
        pytest.skip(reason)
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_LAB_DIR", str(tmp_path_factory.mktemp("lab") / "home"))
    try:
        control.start(print)
        made = World()
        made.ssh("cloud-init status --wait")
        yield made
    finally:
        control.purge()
        left = traces()
        patch.undo()
    assert not any(left.values())


def test_user_data_ran_and_the_machine_is_as_debians_image_is(world: World) -> None:
    assert world.ssh("sudo cat /root/ran") == "from user data\n"
    assert world.ssh("hostname").strip() == "ip-" + world.private_ip.replace(".", "-")
    assert world.ssh("getent hosts $(hostname)")
    assert world.ssh("systemctl is-system-running --wait").strip() == "running"
    assert world.ssh("id -un; sudo id -un").split() == ["admin", "root"]
    assert world.ssh(
        "cat /proc/sys/kernel/hostname >/dev/null; sudo sysctl -w vm.swappiness=1 2>&1", check=False
    )
    assert int(Path("/proc/sys/vm/swappiness").read_text()) != 1
    assert world.ssh("sudo find /dev -type b -not -name 'nvme*'") == ""


def test_clients_are_told_apart_by_their_addresses(world: World) -> None:
    world.open(8000, "127.0.0.0/8")
    world.ssh("sudo systemd-run -q --unit=who python3 -m http.server 8000")
    for client in ("127.0.0.2", "127.0.0.3"):
        wait_until(lambda client=client: "200 OK" in get(world.ip, client))
    said = world.ssh("sudo journalctl -u who -o cat; sudo systemctl stop who")
    assert "240.0.0.2 - - " in said
    assert "240.0.0.3 - - " in said
    assert world.ssh("echo $SSH_CONNECTION").split()[0] == "240.0.0.1"


def get(ip: str, client: str) -> str:
    """What is answered to a client with this address; nothing while nobody listens."""
    with contextlib.suppress(OSError), socket.create_connection((ip, 8000), 5, (client, 0)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(1000).decode()
    return ""


def test_the_console_shows_the_host_keys_that_ssh_meets(world: World) -> None:
    lines = output("ssh-keyscan", "-t", "ed25519", world.ip).splitlines()
    scanned = next(line.split()[2] for line in lines if not line.startswith("#"))
    console = world.ec2.get_console_output(InstanceId=world.instance)["Output"]
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", "-"],
        input=f"ssh-ed25519 {scanned}\n",
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split()[1]
    assert scanned in console or fingerprint in console


def test_only_what_the_rules_allow_is_open(world: World) -> None:
    world.ssh("sudo systemd-run --unit=web python3 -m http.server 8123")
    wait_until(lambda: "8123" in world.ssh("ss -ltn"))
    time.sleep(1)
    assert world.refuses(8123)
    world.open(8123, "203.0.113.0/24")
    time.sleep(1)
    assert world.refuses(8123)
    world.open(8123, "127.0.0.0/8")
    wait_until(lambda: not world.refuses(8123), 5)
    world.ssh("sudo systemctl stop web")
    wait_until(lambda: world.refuses(8123), 5)


def test_a_port_of_this_machine_is_no_obstacle(world: World) -> None:
    with socket.create_server(("0.0.0.0", 0)) as held:
        port = held.getsockname()[1]
        world.open(port, "0.0.0.0/0")
        world.ssh(f"sudo systemd-run --unit=held python3 -m http.server {port}")
        wait_until(lambda: f"--dport {port}" in output("iptables-save"), 60)
        wait_until(lambda: not world.refuses(port), 10)
        with urllib.request.urlopen(f"http://{world.ip}:{port}/", timeout=10) as page:
            assert b"Directory listing" in page.read()
        world.ssh("sudo systemctl stop held")
        wait_until(lambda: f"--dport {port}" not in output("iptables-save"), 10)


def test_a_volume_holds_a_file_system_that_is_mounted_by_label(world: World) -> None:
    world.ssh(
        f"sudo mkfs.ext4 -q -L workbench-data {world.by_id} && sudo mkdir /data && "
        "echo 'LABEL=workbench-data /data ext4 defaults,nofail 0 2' | sudo tee -a /etc/fstab && "
        "sudo systemctl daemon-reload && sudo udevadm settle && sudo systemctl start data.mount && "
        "echo precious | sudo tee /data/file"
    )
    assert world.ssh("findmnt -no FSTYPE /data").strip() == "ext4"
    assert "active" in world.ssh("systemctl is-active 'dev-disk-by\\x2dlabel-workbench\\x2ddata.device'")


def test_a_mounted_volume_grows(world: World) -> None:
    world.ec2.modify_volume(VolumeId=world.volume, Size=2)
    assert int(world.ssh(f"sudo blockdev --getsize64 {world.by_id}")) == 2 * 1024**3
    if "Permission denied" in world.ssh(f"sudo resize2fs {world.by_id} 2>&1", check=False):
        # Where root has no CAP_SYS_RESOURCE the kernel lets nobody resize what is mounted.
        world.ssh(f"sudo umount /data && sudo e2fsck -fp {world.by_id} && sudo resize2fs {world.by_id}")
        world.ssh("sudo systemctl start data.mount")
    assert int(re.sub(r"\D", "", world.ssh("df --output=size -BM /data | tail -1"))) > 1500
    assert world.on_the_volume() == "precious\n"


def test_an_unmounted_volume_is_in_nobodys_use_as_units_keep_no_copy_of_what_was_mounted(
    world: World,
) -> None:
    world.ssh("sudo systemd-run --unit=sandboxed -p ProtectSystem=strict sleep 1000")
    try:
        world.ssh(f"sudo umount /data && sudo e2fsck -fp {world.by_id}")
    finally:
        world.ssh("sudo systemctl start data.mount; sudo systemctl stop sandboxed")


def test_a_mounted_volume_is_not_detached(world: World) -> None:
    with pytest.raises(world.ec2.exceptions.ClientError, match="busy"):
        world.ec2.detach_volume(VolumeId=world.volume)


def test_a_bigger_type_keeps_root_disk_and_mounts(world: World) -> None:
    world.ssh("echo kept | sudo tee /root/kept && sync")
    world.ec2.stop_instances(InstanceIds=[world.instance])
    assert world.refuses(22)
    world.ec2.modify_instance_attribute(InstanceId=world.instance, InstanceType={"Value": "t3.large"})
    world.ec2.start_instances(InstanceIds=[world.instance])
    assert world.on_the_volume() == "precious\n"
    assert world.ssh("sudo cat /root/kept /root/ran") == "kept\nfrom user data\n"


def test_a_snapshot_holds_what_the_volume_held(world: World) -> None:
    world.ssh("sync; sudo fsfreeze -f /data; sudo fsfreeze -u /data")
    snapshot = world.ec2.create_snapshot(VolumeId=world.volume)["SnapshotId"]
    copy = world.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
    world.ec2.attach_volume(VolumeId=copy, InstanceId=world.instance, Device="/dev/sdg")
    node = world.by_id.replace(world.volume.replace("-", ""), copy.replace("-", ""))
    assert world.ssh(f"sudo mount -o ro {node} /mnt && cat /mnt/file; sudo umount /mnt") == "precious\n"
    world.ec2.detach_volume(VolumeId=copy)
    assert world.ssh(f"test -e {node} && echo there || echo gone").strip() == "gone"
    world.ec2.delete_volume(VolumeId=copy)
    world.ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_reboot_from_inside_comes_back(world: World) -> None:
    before = world.ssh("stat -c %Y /proc/1")
    time.sleep(1.1)
    world.ssh("sudo systemctl reboot", check=False)
    wait_until(lambda: world.ssh("stat -c %Y /proc/1", check=False) not in ("", before))
    assert world.on_the_volume() == "precious\n"


def test_a_power_off_from_inside_stops_the_instance(world: World) -> None:
    world.ssh("sudo systemctl poweroff", check=False)
    wait_until(lambda: world.state() == "stopped")
    world.ec2.start_instances(InstanceIds=[world.instance])
    assert world.on_the_volume() == "precious\n"


def test_a_killed_daemon_goes_on_with_machines_that_never_stopped(world: World) -> None:
    before = world.ssh("stat -c %Y /proc/1")
    os.kill(daemon.holder_of(Layout(home())), signal.SIGKILL)
    wait_until(lambda: not control.status().running)
    control.start(print)
    assert world.ssh("stat -c %Y /proc/1") == before
    assert world.on_the_volume() == "precious\n"


@pytest.mark.parametrize(
    ("action", "after"),
    [
        pytest.param("stop", 0.2, marks=pytest.mark.long),
        ("start", 0.3),
        pytest.param("start", 0.9, marks=pytest.mark.long),
    ],
)
def test_a_daemon_killed_in_the_middle_of_a_call_goes_on(world: World, action: str, after: float) -> None:
    world.ssh("echo precious | sudo tee /root/of-this-test")  # the long ones run without those before them
    if action == "start":
        world.ec2.stop_instances(InstanceIds=[world.instance])

    def ask() -> None:
        call = world.ec2.stop_instances if action == "stop" else world.ec2.start_instances
        with contextlib.suppress(BotoCoreError, ClientError):
            call(InstanceIds=[world.instance])

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(after)
    os.kill(daemon.holder_of(Layout(home())), signal.SIGKILL)
    control.start(print)
    asking.join()  # botocore asks again when a connection breaks
    told = json.loads(output("podman", "inspect", f"{Layout(home()).prefix}-{world.instance}"))[0]
    assert (told["State"]["Status"] == "running") == (world.state() == "running")
    if world.state() != "running":
        world.ec2.start_instances(InstanceIds=[world.instance])
    assert world.ssh("sudo cat /root/of-this-test") == "precious\n"


def test_after_a_reboot_of_this_machine_everything_comes_back(world: World) -> None:
    """As far as that can be had here: the daemon and the machines killed, the loop devices gone."""
    layout = Layout(home())
    os.kill(daemon.holder_of(layout), signal.SIGKILL)
    output("podman", "kill", f"{layout.prefix}-{world.instance}")
    for line in output("losetup", "-a").splitlines():
        if str(layout.root) in line:
            output("losetup", "-d", line.split(":")[0])
    control.start(print)
    assert (world.on_the_volume(), world.ssh("sudo cat /root/kept")) == ("precious\n", "kept\n")


def test_a_stopped_lab_keeps_everything(world: World) -> None:
    control.stop()
    left = traces()
    assert left["processes"] == left["loops"] == left["rules"] == ""
    assert not output("podman", "ps", "-q", f"--filter=label=workbench.lab={Layout(home()).id}")
    control.start(print)
    assert control.status().instances[0].state == "running"
    assert world.on_the_volume() == "precious\n"


def test_a_volume_outlives_its_instance(world: World) -> None:
    """The last: another instance takes the volume over."""
    told = world.ec2.describe_instances(InstanceIds=[world.instance])["Reservations"][0]["Instances"][0]
    world.ec2.terminate_instances(InstanceIds=[world.instance])
    assert not output("podman", "ps", "-aq", f"--filter=label=workbench.instance={world.instance}")
    address = world.ec2.describe_addresses()["Addresses"][0]
    run = world.ec2.run_instances(
        ImageId=told["ImageId"], InstanceType="t3.micro", MinCount=1, MaxCount=1, KeyName="test",
        SubnetId=told["SubnetId"], SecurityGroupIds=[world.group],
    )  # fmt: skip
    world.instance = run["Instances"][0]["InstanceId"]
    world.ec2.attach_volume(VolumeId=world.volume, InstanceId=world.instance, Device="/dev/sdf")
    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=world.instance)
    assert world.ssh("sudo test -e /root/ran && echo old || echo new").strip() == "new"
    world.ssh("sudo mkdir /data && sudo mount LABEL=workbench-data /data")
    assert world.on_the_volume() == "precious\n"
