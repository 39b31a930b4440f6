"""What the journal and fail2ban say of logins."""

import subprocess

import pytest

from workbench_host import logins

BANS = (
    "192.0.2.1 \t2026-11-27 22:12:50 + 600 = 2026-11-27 22:22:50\n"
    "2001:db8::1 \t2026-11-27 22:12:50 + 20 = 2026-11-27 22:13:10\n"
)


class Host:
    """What the two programs answer; what was asked is kept."""

    def __init__(self) -> None:
        self.journal, self.bans, self.status = "", BANS, 0
        self.asked: list[list[str]] = []

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        if command[0] == logins.CLIENT:
            return subprocess.CompletedProcess(command, self.status, self.bans, "")
        return subprocess.CompletedProcess(command, 0, self.journal, "")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


def test_who_came_in_as_administrator_by_ssh_is_known_by_what_sshd_said(host: Host) -> None:
    assert logins.main(["--admitted", "192.0.2.1"]) == 1
    host.journal = "Accepted publickey for admin from 192.0.2.1 port 5 ssh2: ED25519 SHA256:x\n"
    assert logins.main(["--admitted", "192.0.2.1"]) == 0
    [command] = host.asked[1:]
    assert r"--grep=^Accepted publickey for admin from 192\.0\.2\.1 port \d+ ssh2: " in command
    assert command[-2:] == ["_SYSTEMD_UNIT=ssh.service", "_UID=0"]  # and nobody else's lines


@pytest.mark.parametrize("address", [".*", "192.0.2.1|.*", "", "bench.example"])
def test_what_is_no_address_is_refused(host: Host, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert logins.main(["--admitted", address]) == 2
    assert host.asked == []
    assert "does not appear to be an IPv4 or IPv6 address" in capsys.readouterr().err


def test_the_report_counts_failures_and_tells_each_ban_with_its_end(host: Host) -> None:
    host.journal = "Failed login from 192.0.2.1\n" * 3
    found = logins.report()
    assert found["failed"] == 3
    assert [one["address"] for one in found["banned"]] == ["192.0.2.1", "2001:db8::1"]
    assert found["banned"][0]["until"].startswith("2026-11-27T22:22:50")


def test_a_fail2ban_that_does_not_run_bans_nobody(host: Host) -> None:
    host.status = 255
    assert logins.report() == {"failed": 0, "banned": []}
