"""The host's own settings: sizes and names computed, files read by the programs that they are for."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from deploy import apt, base, files
from deploy.files import TEMPLATES
from tests.needs import needs

PORTS = {22: base.LOCAL_LOGINS, 80: base.LOCAL_VISITS, 443: base.LOCAL_VISITS}


@pytest.mark.parametrize(
    ("memory_mib", "root_gib", "swap_mib"),
    [
        (512, 30, 512),
        (2048, 30, 2048),
        (8192, 30, 2048),
        (16384, 30, 3840),
        (16384, 100, 4096),
        (8192, 8, 1024),
    ],
)
def test_swap_follows_memory_and_spares_the_disk(memory_mib: int, root_gib: int, swap_mib: int) -> None:
    assert base.swap_mib(memory_mib, root_gib) == swap_mib


def test_the_firewall_lets_in_what_the_settings_open_and_nothing_else() -> None:
    rules = files.render("base/firewall.nft.j2", ports=PORTS, counted=PORTS, guarded=[87], proxies="root")
    chain = rules[rules.index("chain input") : rules.index("chain output")]
    assert "policy drop" in chain
    assert [line.strip() for line in chain.splitlines() if "dport" in line and "udp" not in line] == [
        "tcp dport { 22, 80, 443 } ct state new add @clients { ip saddr ct count over 1000 } reject with tcp reset",
        "tcp dport { 22, 80, 443 } accept",
    ]


@needs("nft")
def test_nft_takes_the_firewall(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(
        files.render("base/firewall.nft.j2", ports=PORTS, counted=PORTS, guarded=[87], proxies="root")
    )
    done = subprocess.run(["nft", "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft may not ask this machine's kernel")
    assert done.returncode == 0, done.stderr


def test_apt_reads_upgrades_as_security_only_and_without_a_restart(tmp_path: Path) -> None:
    default = tmp_path / "50unattended-upgrades"
    default.write_text('Unattended-Upgrade::Origins-Pattern { "origin=Debian,label=Debian"; };\n')
    ours = tmp_path / "52workbench-upgrades"
    ours.write_text(
        (TEMPLATES / "base/unattended-upgrades").read_text()
        + (TEMPLATES / "base/20auto-upgrades").read_text()
    )
    both = tmp_path / "both"
    both.write_text(default.read_text() + ours.read_text())
    said = subprocess.run(
        ["apt-config", "-c", str(both), "dump"], capture_output=True, text=True, check=True
    ).stdout
    patterns = re.findall(r'Unattended-Upgrade::Origins-Pattern:: "(.*)";', said)
    assert [pattern for pattern in patterns if "Security" not in pattern] == []
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in said
    assert 'APT::Periodic::Unattended-Upgrade "1";' in said


def test_kernel_settings_are_lines_that_sysctl_takes_each_once() -> None:
    lines = [
        line for line in (TEMPLATES / "base/sysctl.conf").read_text().splitlines() if line and line[0] != "#"
    ]
    keys = [line.split(" = ")[0] for line in lines]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+ = \d+", line) for line in lines)


def test_the_swap_file_is_made_once_and_again_only_for_another_size(tmp_path: Path) -> None:
    path = tmp_path / "swapfile"
    script = (TEMPLATES / "base/swapfile").read_text()

    def make(mib: int) -> tuple[int, int]:
        subprocess.run(["sh", "-s", str(path), str(mib)], input=script, text=True, check=True)
        return path.stat().st_ino, path.stat().st_size

    first = make(4)
    assert first[1] == 4 * 1024 * 1024
    assert path.stat().st_mode & 0o777 == 0o600
    assert make(4) == first
    assert make(6)[1] == 6 * 1024 * 1024
    found = subprocess.run(
        ["blkid", "-p", "-o", "value", "-s", "TYPE", str(path)], capture_output=True, text=True
    )
    assert found.stdout.strip() == "swap"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["swapfile"]


def test_a_swap_file_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    script = (TEMPLATES / "base/swapfile").read_text()
    command = ["sh", "-s", str(tmp_path / "swapfile"), str(2**40)]
    done = subprocess.run(command, input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "raise rootVolumeGib" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unit", ["workbench-swapfile.service", "swapfile.swap"])
def test_swap_is_not_touched_in_containers_which_share_it_with_the_machine_below(unit: str) -> None:
    text = files.render(f"base/{unit}.j2", swap_file="/swapfile", size_mib=64)
    assert "ConditionVirtualization=!container" in text.splitlines()


def test_packages_come_from_the_mirrors_of_the_settings() -> None:
    text = files.render(
        "base/debian.sources.j2",
        debian="http://mirror.example/debian",
        security="http://mirror.example/security",
        codename="trixie",
    )
    entries = [dict(re.findall(r"^(\S+): (.*)$", part, re.MULTILINE)) for part in text.split("\n\n")]
    assert [(entry["URIs"], entry["Suites"]) for entry in entries] == [
        ("http://mirror.example/debian", "trixie trixie-updates"),
        ("http://mirror.example/security", "trixie-security"),
    ]


def test_what_dpkg_says_is_understood() -> None:
    fact = apt.Packages()
    state = fact.process(["installed curl", "config-files nano", "installed tzdata", "broken"])
    assert state == apt.PackageState(frozenset({"curl", "tzdata"}), broken=True)
    assert not fact.process(["installed curl"]).broken


def test_packages_are_looked_at_once_what_was_begun_with_is_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = tmp_path / apt.UNIT
    at_work.touch()
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexit 0\n")  # what is there is active
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(apt, "AT_WORK", str(at_work))
    looking = subprocess.Popen(
        ["sh", "-c", apt.Packages().command(["dpkg"])], stdout=subprocess.PIPE, text=True
    )
    time.sleep(0.7)
    assert looking.poll() is None
    at_work.unlink()
    said, _ = looking.communicate(timeout=30)
    assert "installed dpkg" in said.splitlines()
