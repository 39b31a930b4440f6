"""What counts as a failed login, and for whom a ban is, from the templates as fail2ban reads them."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import fail2ban
from deploy.files import TEMPLATES, render
from tests.needs import needs

ADDRESS = r"(?P<address>\d+\.\d+\.\d+\.\d+|[0-9a-f:]+)"  # as <ADDR> of fail2ban's
HUB = "[W 2026-11-27 22:00:00.123 JupyterHub users:48] Failed login from"


def address(line: str) -> str | None:
    """The address that the line counts against; None where it does not count."""
    parser = configparser.RawConfigParser()
    parser.read(TEMPLATES / "fail2ban/filter.conf")
    for pattern in parser["Definition"]["failregex"].splitlines():
        if found := re.search(pattern.replace("<ADDR>", ADDRESS), f"bench {line}"):
            return found["address"]
    return None


def jails(**variables: object) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    own = {"jail": "workbench", "failures": 8, "never": [], "program": "/p", "ports": [22, 80, 443]}
    parser.read_string(render("fail2ban/jail.local.j2", **{**own, **variables}))
    return parser


@pytest.mark.parametrize(
    "line",
    [
        f"jupyterhub[7]: {HUB} 192.0.2.1",
        "sign-in[7]: Failed login from 192.0.2.1",
        "sshd-session[7]: Connection closed by authenticating user ada 192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: Connection reset by invalid user ada 192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: error: maximum authentication attempts exceeded for ada from 192.0.2.1 port 5 ssh2 [preauth]",
        "sshd-session[7]: Disconnected from invalid user  192.0.2.1 port 5 [preauth]",
        "sshd[7]: drop connection #0 from [192.0.2.1]:5 on [10.0.1.5]:22 penalty: failed authentication",
        # names that somebody chose so that another is banned
        "sshd-session[7]: Connection closed by invalid user x 198.51.100.1 port 1 [preauth] 192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: Connection closed by invalid user  198.51.100.1 port 1 192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: Disconnected from invalid user   192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: error: maximum authentication attempts exceeded for invalid user  from 198.51.100.1 port 1 "
        "ssh2 [preauth] from 192.0.2.1 port 5 ssh2 [preauth]",
    ],
)
def test_a_failed_login_counts_against_where_it_came_from(line: str) -> None:
    assert address(line) == "192.0.2.1"


@pytest.mark.parametrize(
    "line",
    [
        # tried no name: a scan, a deploy that waits
        "sshd-session[7]: Connection closed by 192.0.2.1 port 5 [preauth]",
        "sshd-session[7]: Connection closed by 192.0.2.1 port 5",
        "sshd-session[7]: Accepted publickey for admin from 192.0.2.1 port 5 ssh2: ED25519 SHA256:x",
        "sshd-session[7]: Disconnected from user admin 192.0.2.1 port 5",
        f"jupyterhub[7]: [W 2026-11-27 22:00:00.123 JupyterHub base:1041] Failed login for '{HUB} 192.0.2.1'",
        "jupyterhub[7]: [W 2026-11-27 22:00:00.123 JupyterHub log:192] 403 POST /hub/Failed login from 192.0.2.1",
        "sshd-session[7]: Invalid user Failed login from 192.0.2.1",
        "sshd-session[7]: Failed login from 192.0.2.1",
        "jupyterhub[7]: Failed login from 192.0.2.1",
        # what sshd cuts after a hundred characters (as OpenSSH logged them), so that a visitor's words end the line
        "sshd-session[7]: Disconnecting invalid user x 198.51.100.7 port 33632: Change of username or service not "
        "allowed: (x,ssh-connection) -> (yyyyyyyyyyyyyy 192.0.2.1 port 2222 [preauth]",
        "sshd-session[7]: Disconnecting invalid user x 198.51.100.7 port 5: bad service request x 192.0.2.1 port 22 "
        "[preauth]",
        "sshd-session[7]: Disconnecting invalid user xx 192.0.2.1 port 1: Too many authentication failures "
        "198.51.100.7 port 5: Change of username or service not allowed: (xx 192.0.2.1 port 1: Too many "
        "authentication failures [preauth]",
        "sshd-session[7]: Disconnecting invalid user  192.0.2.1 port 22: Change of username or service not allowed: "
        "198.51.100.7 port 5: Change of username or service not allowed: ( 192.0.2.1 port 22: Change of u [preauth]",
        "sshd-session[7]: Received disconnect from 198.51.100.7 port 5:11: invalid user x 192.0.2.1 port 5 [preauth]",
    ],
)
def test_other_lines_count_against_nobody(line: str) -> None:
    assert address(line) is None


# As they come from the network: sshd ends a name at a colon, and writes what is no printable ASCII as \ooo.
PARTS = (" ", "x", "\\\\303", "(", ",", " 198.51.100.1 port 1", " [preauth]", " ssh2", " from ")
NAMES = st.lists(st.sampled_from(PARTS), max_size=9).map("".join)


@given(NAMES, st.sampled_from(("authenticating", "invalid")))
def test_no_name_moves_the_address_by_ssh(name: str, kind: str) -> None:
    ends = ("Connection closed by", "Connection reset by", "Disconnected from")
    for end in ends:
        assert address(f"sshd-session[7]: {end} {kind} user {name} 192.0.2.1 port 5 [preauth]") == "192.0.2.1"
    tried = "sshd-session[7]: error: maximum authentication attempts exceeded for"
    assert address(f"{tried} invalid user {name} from 192.0.2.1 port 5 ssh2 [preauth]") == "192.0.2.1"


def test_lines_are_known_by_their_unit_which_nobody_can_choose() -> None:
    parser = configparser.RawConfigParser()
    parser.read(TEMPLATES / "fail2ban/filter.conf")
    matches = parser["Definition"]["journalmatch"].split(" + ")
    assert all(match.startswith("_SYSTEMD_UNIT=") for match in matches)
    assert "_SYSTEMD_UNIT=ssh.service _UID=0" in matches


def test_a_ban_is_of_new_connections_to_all_ports_and_ends_within_an_hour() -> None:
    parser = jails()
    assert not parser["sshd"].getboolean("enabled")
    jail = parser["workbench"]
    assert (jail["bantime"], jail["bantime.increment"], jail["bantime.maxtime"]) == ("10m", "true", "1h")
    assert r'rule_match-custom="ct state new tcp dport \{ 22, 80, 443 \}"' in jail["action"]


def test_what_the_settings_name_is_never_banned() -> None:
    assert jails()["workbench"]["ignoreip"] == "127.0.0.0/8 ::1 0.0.0.0"
    assert jails(never=["192.0.2.0/24"])["workbench"]["ignoreip"] == "127.0.0.0/8 ::1 0.0.0.0 192.0.2.0/24"


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    path = tmp_path / fail2ban.UNIT
    text = render(f"fail2ban/{fail2ban.UNIT}.j2", account="root")
    path.write_text(re.sub(r"/usr/bin/fail2ban-\w+", "/bin/true", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
