"""What the host finds out of itself for `workbench doctor`; what /proc and apt say was recorded."""

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host.checkup import drift, listeners, program, units, upkeep

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7729458 1 00000000e214a85d 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7702631 1 000000004b30e710 100 0 0 10 0
   2: 0100007F:C7A5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2000        0 7748035 1 00000000d245601a 100 0 0 10 0
   3: 0100007F:1F91 0100007F:8306 01 00000000:00000000 00:00000000 00000000     0        0 7730343 1 0000000095ba4a4f 20 4 31 18 -1
"""  # noqa: E501
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   995        0 7738416 2 000000004ed3fa34 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:2710 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  2000        0 7738418 2 0000000099aaaf46 100 0 0 10 0
"""  # noqa: E501
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  217: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21055 2 0000000078e0a2c6 0
  333: 00000000:D431 00000000:0000 07 00000000:00000000 00:00000000 00000000  2000        0 21056 2 0000000078e0a2c7 0
  402: 0100007F:1389 0100007F:1388 01 00000000:00000000 00:00000000 00000000  2000        0 21057 2 0000000078e0a2c8 0
"""
UPGRADES = """\
NOTE: This is only a simulation!
Inst python3-xmltodict [0.13.0-1] (0.13.0-1.1~deb12u1 Debian:12.15/oldstable [all])
Inst python3-httplib2 [0.20.4-3] (0.20.4-3+deb12u1 Debian-Security:12/oldstable-security [all])
Inst libgcrypt20-dev [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/stable [all]) []
Inst linux-image-6.12.48-amd64 (6.12.48-1 Debian-Security:13/stable-security [amd64])
Conf libgcrypt20-dev (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
"""


APT = """\
Start-Date: 2026-11-01  06:00:00
Commandline: apt-get install cloud-init
Install: cloud-init:amd64 (25.1)
End-Date: 2026-11-01  06:00:02

Start-Date: 2026-11-28  05:00:00
Commandline: apt-get -q -y -o DPkg::Lock::Timeout=600 install caddy
Requested-By: admin (1000)
Install: caddy:amd64 (2.6.2)
End-Date: 2026-11-28  05:00:09

Start-Date: 2026-11-28  05:10:00
Commandline: apt install libgdal-dev htop gone
Requested-By: ada (2000)
Install: libgdal-dev:amd64 (3.10.3), libproj-dev:amd64 (9.6, automatic), htop:amd64 (3.4), gone:all (1)
End-Date: 2026-11-28  05:10:30

Start-Date: 2026-11-28  06:00:00
Commandline: /usr/bin/unattended-upgrade
Install: linux-image-6.12.48-amd64:amd64 (6.12.48-1)
Upgrade: openssl:amd64 (3.5.1, 3.5.2)
End-Date: 2026-11-28  06:00:09
"""


def test_what_somebody_installed_with_apt_is_told_and_neither_what_came_along_nor_ours_nor_the_images() -> (
    None
):
    assert drift.by_hand(APT) == {"libgdal-dev": "ada", "htop": "ada", "gone": "ada"}
    assert drift.by_hand("") == {}
    assert drift.by_hand("Start-Date: x\nCommandline: apt install nano\nInstall: nano:amd64 (8.4)\n") == {
        "nano": "root"
    }


def test_drift_is_what_is_still_there_and_no_setting_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.log.2.gz").write_bytes(
        gzip.compress(APT[: APT.index("Start-Date: 2026-11-28  05:10")].encode())
    )
    (tmp_path / "history.log").write_text(APT[APT.index("Start-Date: 2026-11-28  05:10") :])
    monkeypatch.setattr(drift, "HISTORY", tmp_path)
    monkeypatch.setattr(drift, "WANTED", tmp_path / "environments.json")
    monkeypatch.setattr(drift, "manual", lambda: {"libgdal-dev", "htop", "caddy"})
    os.utime(tmp_path / "history.log.2.gz", (0, 0))
    assert [one["name"] for one in drift.debian()] == ["htop", "libgdal-dev"]
    (tmp_path / "environments.json").write_text('{"debian": ["libgdal-dev"]}')
    assert drift.debian() == [{"name": "htop", "by": "ada"}]


def test_what_lies_in_usr_local_and_is_not_the_deploys_is_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "LOCAL", tmp_path)
    monkeypatch.setattr(drift, "PLACES", (f"{tmp_path}/lib/workbench/",))
    for name in ("bin", "sbin", "lib/workbench", "lib/python3.13/dist-packages/numpy-2.0.dist-info"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib/R/site-library/sf").mkdir(parents=True)
    (tmp_path / "lib/R/site-library/sf/DESCRIPTION").touch()
    (tmp_path / "lib/workbench/trust-folder").touch()
    (tmp_path / "bin/trust-folder").symlink_to(tmp_path / "lib/workbench/trust-folder")
    (tmp_path / "bin/git").write_text("#!/bin/sh\n# From the workbench's deploy: git\n")
    (tmp_path / "sbin/mine").write_text("#!/bin/sh\n")
    (tmp_path / "bin/broken").symlink_to("/nowhere")
    (tmp_path / "bin/folder").mkdir()
    monkeypatch.setattr(drift, "FIRST_BOOT", tmp_path / "machine-id")
    (tmp_path / "machine-id").touch()
    os.utime(tmp_path / "machine-id", (0, 0))
    assert drift.programs() == [str(tmp_path / name) for name in ("bin/broken", "bin/folder", "sbin/mine")]
    assert (drift.python_packages(), drift.r_packages()) == (["numpy"], ["sf"])
    later = time.time() + 3600
    os.utime(tmp_path / "machine-id", (later, later))
    assert (drift.programs(), drift.python_packages(), drift.r_packages()) == ([], [], []), (
        "they are the image's"
    )


def test_what_listens_is_read_from_the_kernels_tables() -> None:
    found = [one[:4] for one in listeners.listening("tcp", TCP)]
    assert found == [
        ("tcp", "127.0.0.1", 8081, 0),
        ("tcp", "0.0.0.0", 22, 0),
        ("tcp", "127.0.0.1", 51109, 2000),
    ]
    found = [one[:4] for one in listeners.listening("tcp6", TCP6)]
    assert found == [("tcp", "::", 443, 995), ("tcp", "127.0.0.1", 10000, 2000)]


def test_a_port_that_the_kernel_picked_for_who_only_sends_is_no_listener() -> None:
    assert [one[:4] for one in listeners.listening("udp", UDP)] == [("udp", "0.0.0.0", 68, 0)]


def test_a_real_listener_is_found_with_its_process_and_its_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = [one for one in listeners.report() if one["port"] == port]
        assert (found["pid"], found["loopback"]) == (os.getpid(), True)
        assert found["user"] == listeners.user_of(os.getuid())
        assert found["program"]
    assert port not in [one["port"] for one in listeners.report()]


def test_a_holder_that_is_not_found_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with millions of descriptors makes nobody wait for the rest of what is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.fstat(server.fileno()).st_ino
        assert listeners.holders({inode}) == {inode: os.getpid()}
        monkeypatch.setattr(listeners, "SECONDS", 0.0)
        assert listeners.holders({inode}) == {}
        (found,) = [one for one in listeners.report() if one["port"] == server.getsockname()[1]]
        assert (found["pid"], found["user"]) == (None, listeners.user_of(os.getuid()))


def test_holders_are_looked_for_no_longer_than_until_all_are_found_and_among_users_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    real = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: read.append(path) or real(path))
    monkeypatch.setattr(listeners, "owners", lambda: iter([(1, 2000), (os.getpid(), 0)]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.fstat(server.fileno()).st_ino
        assert listeners.holders({inode}) == {inode: os.getpid()}
        assert read[-1] == f"/proc/{os.getpid()}/fd/{server.fileno()}"
        assert not [path for path in read if path.startswith("/proc/1/")]


def test_the_unit_of_a_process_is_the_innermost() -> None:
    assert listeners.unit_of("0::/system.slice/ssh.service") == "ssh.service"
    assert listeners.unit_of("0::/user.slice/user-2000.slice/session-4.scope\n") == "session-4.scope"
    assert listeners.unit_of("0::/init.scope/../") == "init.scope"
    assert listeners.unit_of("") is None


def test_fixes_are_those_of_debians_security_archive() -> None:
    assert upkeep.security_fixes(UPGRADES) == [
        "python3-httplib2 0.20.4-3+deb12u1",
        "libgcrypt20-dev 1.10.1-3+deb12u1",
        "linux-image-6.12.48-amd64 6.12.48-1",
    ]


def test_a_kernel_of_after_the_start_or_an_updates_wish_asks_for_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = tmp_path / "vmlinuz-6.12.48-amd64"
    kernel.touch()
    changed = kernel.stat().st_ctime
    monkeypatch.setattr(upkeep, "REQUIRED", tmp_path / "reboot-required")
    assert upkeep.reboot_reason(changed + 1, [kernel]) is None
    assert "6.12.48-amd64" in str(upkeep.reboot_reason(changed - 1, [kernel]))
    (tmp_path / "reboot-required").touch()
    assert upkeep.reboot_reason(changed + 1, [kernel]) == "an update asks for it"


def test_the_age_of_the_lists_is_that_of_the_last_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, stamp = tmp_path / "lists", tmp_path / "update-stamp"
    lists.mkdir()
    monkeypatch.setattr(upkeep, "LISTS", lists)
    monkeypatch.setattr(upkeep, "FRESH", (lists, lists / "partial", stamp))
    assert upkeep.lists_age(1e9) is None
    (lists / "deb.debian.org_InRelease").touch()
    stamp.touch()
    day = 86400
    os.utime(lists, (0, 1e9 - 9 * day))
    os.utime(stamp, (0, 1e9 - 4 * day))
    assert upkeep.lists_age(1e9) == pytest.approx(4)


def test_our_units_are_those_whose_file_the_deploy_wrote(tmp_path: Path) -> None:
    for name in (
        "workbench-health.service",
        "workbench-session@.service",
        "admins-own.service",
        "caddy.service",
    ):
        (tmp_path / name).write_text("[Unit]\n")
    for name in ("caddy.service.d", "ssh.service.d"):  # the latter's own file is Debian's
        (tmp_path / name).mkdir()
        (tmp_path / name / "50-workbench-started.conf").touch()
    (tmp_path / "workbench-masked.service").symlink_to("/dev/null")
    assert units.ours(tmp_path) == [
        "caddy.service",
        "workbench-health.service",
        "workbench-session@.service",
    ]


@needs("systemd-analyze")
def test_templates_are_judged_by_their_files_and_what_is_loaded_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's systemd stands still here: of what is loaded, a script answers."""
    (tmp_path / "workbench-health.service").write_text("[Service]\nExecStart=/bin/true\n")
    for name in ("workbench-a@.service", "workbench-b@.service"):
        (tmp_path / name).write_text("[Service]\nExecStart=/bin/true\nPrivateNetwork=yes\n")
    real = units._said

    def said(*command: str) -> str:
        if "--offline=true" in command:
            return real(*command)
        return f"→ Overall exposure level for {command[-1]}: 1.7 OK"

    monkeypatch.setattr(units, "_said", said)
    found = units.of_ours(tmp_path)
    assert found.pop("workbench-health.service") == 1.7
    assert set(found) == {"workbench-a@.service", "workbench-b@.service"}
    assert all(exposure > 5 for exposure in found.values())


def test_the_exposure_of_each_unit_is_the_last_line_about_it() -> None:
    said = (
        "✓ User=/DynamicUser=      Service runs under a static non-root user identity\n"
        "→ Overall exposure level for caddy.service: 1.7 OK 🙂\n"
        "→ Overall exposure level for jupyter-ada:x-singleuser.service: 10 UNSAFE 😨\n"
    )
    assert units.exposures(said) == {"caddy.service": 1.7, "jupyter-ada:x-singleuser.service": 10.0}


def test_what_cannot_be_found_out_is_told_beside_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError("apt-get: E: dpkg was interrupted")

    monkeypatch.setattr(program, "PARTS", {"upkeep": fails, "memory": lambda: {"used_mib": 1}})
    assert program.report() == {
        "unknown": {"upkeep": "apt-get: E: dpkg was interrupted"},
        "memory": {"used_mib": 1},
    }


def test_a_part_that_takes_too_long_keeps_nobody_from_the_others() -> None:
    code = (
        "import os, time; from workbench_host.checkup import program; os.geteuid = lambda: 0; program.SECONDS = 0.1; "
        "program.PARTS = {'listeners': lambda: time.sleep(60), 'memory': lambda: {'used_mib': 1}}; program.main([])"
    )
    host = Path(program.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=host, capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(done.stdout) == {
        "unknown": {"listeners": "it was not found out within 0.1 s"},
        "memory": {"used_mib": 1},
    }


def test_it_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--fix"]) == 2
    assert "no arguments" in capsys.readouterr().err
