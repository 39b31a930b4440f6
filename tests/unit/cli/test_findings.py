"""What `workbench doctor` makes of a host's report: each kind of finding, with the command for it."""

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli import findings
from cli.findings import Finding
from tests.needs import needs
from workbench.stack import ROOT
from workbench_host import authority

GIB = {"used_gib": 1.0, "total_gib": 10.0, "inodes": 0.1}
WELL: dict[str, Any] = {
    "unknown": {},
    "listeners": [
        {"protocol": "tcp", "address": "::", "port": 443, "loopback": False, "user": "caddy", "pid": 9,
         "program": "caddy", "unit": "caddy.service"},
        {"protocol": "udp", "address": "192.0.2.1", "port": 68, "loopback": False, "user": "root", "pid": 7,
         "program": "systemd-network", "unit": "systemd-networkd.service"},
    ],
    "upkeep": {"security": [], "lists_age_days": 0.5, "reboot": None},
    "logins": {"failed": 0, "banned": [], "bans": True},
    "units": {"failed": [], "exposure": {"caddy.service": 1.7}, "firewall": True},
    "disk": {"/": GIB, "/srv/workbench": GIB},
    "mounts": {"setuid": [], "joined": []},
    "memory": {"used_mib": 1000, "total_mib": 8000},
    "drift": {"debian": [], "programs": [], "python": [], "r": []},
    "services": {"age_s": 4, "of": {"proxy": {"state": "up", "detail": "", "units": ["caddy.service"], "path": None}}},
}  # fmt: skip


def found(**parts: Any) -> list[Finding]:
    """What is found where these parts of a well host's report are otherwise; None: a part is missing."""
    told = {**copy.deepcopy(WELL), **parts}
    return list(findings.of_host({name: part for name, part in told.items() if part is not None}))


def the_one(**parts: Any) -> Finding:
    (one,) = found(**parts)
    return one


def listener(port: int, **changes: Any) -> dict[str, Any]:
    user = {"user": "grace", "pid": 42, "program": "python3", "unit": "session-3.scope"}
    return {"protocol": "tcp", "address": "0.0.0.0", "port": port, "loopback": False, **user, **changes}


def test_a_well_host_has_nothing_to_be_told_of() -> None:
    assert found() == []


def test_what_was_installed_by_hand_is_told_with_the_setting_that_would_keep_it() -> None:
    hand = {
        "debian": [{"name": "libgdal-dev", "by": "ada"}],
        "programs": ["/usr/local/bin/x y"],
        "python": [],
        "r": [],
    }
    debian, program = found(drift=hand)
    assert debian.what.startswith(
        "libgdal-dev: installed by hand with apt (by ada), so that the next server will not"
    )
    assert "workbench:services.base.packages: [libgdal-dev] keeps it" in debian.what
    assert debian.command == "workbench ssh -- 'sudo apt-get remove libgdal-dev'"
    assert program.what.startswith("/usr/local/bin/x y: put there by hand")
    assert not debian.note
    python, r = found(drift={"debian": [], "programs": [], "python": ["numpy"], "r": ["sf", "a\x1b[2J"]})
    assert "numpy: Python packages put into /usr/local by hand" in python.what
    assert "workbench:environments (python, requirements) keeps them" in python.what
    assert r.what.startswith("sf, a?[2J: R packages put into /usr/local by hand")
    assert "packages: [sf, a?[2J]) keeps them" in r.what


def test_what_listens_beyond_loopback_is_named_with_whose_it_is_and_how_it_ends() -> None:
    one = the_one(listeners=[listener(9999)])
    assert one.what.startswith("session-3.scope of grace listens on TCP of 0.0.0.0, port 9999: ")
    assert one.command == "workbench ssh -- sudo kill 42"
    assert not one.note


def test_who_listens_on_thousands_of_ports_is_one_finding() -> None:
    one = the_one(listeners=[listener(port) for port in range(2000, 9000)])
    assert "port 2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007 and 6992 more: " in one.what
    assert one.command == "workbench ssh -- sudo kill 42"


def test_a_name_that_a_process_gave_itself_does_not_reach_the_terminal_as_it_is() -> None:
    one = the_one(listeners=[listener(9999, program="\x1b]0;x\x07", unit=None)])
    assert "\x1b" not in one.what
    assert "?]0;x?" in one.what


def test_what_listens_on_loopback_is_a_note() -> None:
    hub = listener(8081, loopback=True, address="127.0.0.1", user="root", unit="jupyterhub.service")
    hers = listener(5000, loopback=True, address="127.0.0.1", unit=None)
    one = the_one(listeners=[hub, hers])
    assert one.note
    assert one.what == "On loopback: jupyterhub of root 8081; python3 of grace 5000."


@pytest.mark.parametrize(
    ("parts", "says", "command"),
    [
        ({"upkeep": {"security": ["a 1", "b 2", "c 3", "d 4"], "lists_age_days": 0, "reboot": None}},
         "a 1, b 2, c 3 and 1 more", "unattended-upgrade"),
        ({"upkeep": {"security": [], "lists_age_days": 8.2, "reboot": None}}, "8 days ago", "apt-get update"),
        ({"upkeep": {"security": [], "lists_age_days": None, "reboot": None}}, "never", "apt-get update"),
        ({"upkeep": {"security": [], "lists_age_days": 0, "reboot": "the kernel 6.12 was installed"}},
         "the kernel 6.12", "systemctl reboot"),
        ({"units": {"failed": ["a.service"], "exposure": {}, "firewall": True}}, "a.service failed",
         "restart a.service"),
        ({"units": {"failed": ["user@2001.service"], "exposure": {}, "firewall": True}},
         "user@2001.service failed: what the user with the id 2001 runs by `systemctl --user` does not",
         "sudo journalctl -e -u user@2001.service; sudo systemctl restart user@2001.service"),
        ({"units": {"failed": [], "exposure": {}, "firewall": False}}, "firewall", "restart workbench-firewall"),
        ({"units": {"failed": [], "exposure": {"a.service": 4.1, "b.service": 4.0}, "firewall": True}},
         "a.service could reach more", "workbench deploy"),
        ({"services": {"age_s": 400, "of": {}}}, "400 s ago", "restart workbench-health"),
        ({"services": {"age_s": 4, "of": {"r": {"state": "down", "detail": "no answer", "units": ["r.service"]}}}},
         "r is down: no answer", "restart r.service"),
        ({"disk": {"/": GIB, "/srv/workbench": None}}, "is missing: what needs it has stopped", "workbench deploy"),
        ({"disk": {"/": {**GIB, "used_gib": 9.1}}}, "rootVolumeGib", "workbench users"),
        ({"disk": {"/srv/workbench": {**GIB, "inodes": 0.95}}}, "95% of inodes", "workbench users"),
        ({"mounts": {"setuid": ["/tmp", "/var/tmp"], "joined": []}}, "Programs in /tmp and /var/tmp can run with",
         "workbench deploy"),
        ({"mounts": {"setuid": [], "joined": ["/srv/workbench/shared/lab"]}},
         "/srv/workbench/shared/lab: a file there can have a second name", "workbench deploy"),
        ({"memory": {"used_mib": 7900, "total_mib": 8000}}, "100 MiB of 8000 MiB", "systemd-cgtop"),
        ({"upkeep": None, "unknown": {"upkeep": "apt-get: E: dpkg"}}, "apt-get: E: dpkg", "journalctl"),
    ],
)  # fmt: skip
def test_each_ailment_is_a_sentence_with_its_command(parts: dict[str, Any], says: str, command: str) -> None:
    one = the_one(**parts)
    assert says in one.what
    assert command in one.command
    assert not one.note


def test_an_exception_of_the_documentation_is_no_finding_until_it_grows() -> None:
    server = "rstudio-server.service"
    assert found(units={**WELL["units"], "exposure": {server: 8.1}}) == []
    one = the_one(units={**WELL["units"], "exposure": {server: 9.4}})
    assert "exposure 9.4, at most 8.5" in one.what
    text = (ROOT / "docs" / "security.md").read_text()
    for unit in findings.EXPOSED:
        assert f"| {unit.removesuffix('.service')} |" in text


def authority_of(tmp_path: Path, days: int) -> str:
    path = tmp_path / "ca.crt"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", str(tmp_path / "key"))
    command = ["openssl", "req", "-x509", *key, "-days", str(days), "-subj", "/CN=own", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path.read_text()


@needs("openssl")
def test_the_own_ca_is_a_note_with_its_days_and_a_finding_once_the_next_deploy_makes_another(
    tmp_path: Path,
) -> None:
    note = the_one(ca=authority_of(tmp_path, 700))
    assert (note.what, note.note) == ("The workbench's own CA holds for another 699 days.", True)
    finding = the_one(ca=authority_of(tmp_path, 59))
    assert "ends in 58 days; the next deploy makes another, and who imported this one" in finding.what
    assert (finding.command, finding.note) == ("workbench deploy", False)
    assert authority.LEAST_DAYS == findings.CA_DAYS


def test_a_ca_that_is_no_certificate_is_to_be_deployed() -> None:
    assert the_one(ca="?").command == "workbench deploy"


def test_failed_logins_are_a_note_and_bans_that_do_not_work_a_finding() -> None:
    banned = [{"address": "192.0.2.1", "until": "2026-11-27T23:00:00+00:00"}]
    note = the_one(logins={"failed": 31, "banned": banned, "bans": True})
    assert (note.what, note.note) == ("Failed logins within a day: 31; banned now: 192.0.2.1.", True)
    finding = the_one(logins={"failed": 0, "banned": [], "bans": False})
    assert finding.command == "workbench ssh -- sudo systemctl restart fail2ban"
    assert not finding.note


def test_a_host_with_programs_of_another_version_is_to_be_deployed_and_the_rest_is_judged() -> None:
    one = the_one(logins={"hours": 24, "services": {}})
    assert "is not as this version knows it" in one.what
    assert one.command == "workbench deploy"
