"""How the judges' reports are read (recorded excerpts), and that docs/security.md answers what they said last."""

import json
import re

import pytest

from bench import judges
from bench.results import RESULTS
from workbench.stack import ROOT

LYNIS = """\
# Lynis Report
lynis_version=3.1.4
suggestion[]=DEB-0880|Install fail2ban to automatically ban hosts that commit multiple authentication errors.|-|-|
warning[]=PKGS-7388|Can't find any security repository in /etc/apt/sources.list or sources.list.d directory|-|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|AllowTcpForwarding (set YES to NO)|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|MaxAuthTries (set 20 to 3)|-|
hardening_index=62
"""
TESTSSL = """[
  {"id": "engine_problem", "ip": "/", "port": "443", "severity": "WARN", "finding": "No engine or GOST support"},
  {"id": "HSTS", "ip": "127.0.0.9/127.0.0.9", "port": "443", "severity": "LOW", "finding": "not offered"}
]"""
SSH_AUDIT = {
    "kex": [
        {
            "algorithm": "sntrup761x25519-sha512",
            "keysize": None,
            "notes": {"info": ["available since OpenSSH 8.5"]},
        },
        {"algorithm": "ecdh-sha2-nistp256", "notes": {"fail": ["backdoored"], "warn": ["no post-quantum"]}},
    ],
    "key": [{"algorithm": "ssh-ed25519"}],
    "enc": [],
    "mac": [{"algorithm": "hmac-sha1", "notes": {"fail": ["broken SHA-1"]}}],
}


def test_what_lynis_says_is_taken_by_its_ids() -> None:
    found = judges.lynis_report(LYNIS)
    assert found["index"] == 62
    assert list(found["warnings"]) == ["PKGS-7388"]
    assert found["suggestions"]["SSH-7408"] == [
        "Consider hardening SSH configuration: AllowTcpForwarding (set YES to NO)",
        "Consider hardening SSH configuration: MaxAuthTries (set 20 to 3)",
    ]


def test_what_testssl_says_of_itself_is_no_finding() -> None:
    assert judges.testssl_findings(TESTSSL) == {"HSTS": ["LOW", "not offered"]}


def test_an_algorithm_that_fails_and_is_warned_of_is_both() -> None:
    assert judges.ssh_audit_notes(json.dumps(SSH_AUDIT)) == {
        "fail": {"ecdh-sha2-nistp256": ["backdoored"], "hmac-sha1": ["broken SHA-1"]},
        "warn": {"ecdh-sha2-nistp256": ["no post-quantum"]},
    }


def test_each_thing_that_testssl_and_lynis_said_last_is_answered() -> None:
    said = json.loads(RESULTS.read_text()).get("judges")
    if said is None:
        pytest.skip("`python -m bench judges` has not been run")
    page = (ROOT / "docs" / "security.md").read_text()
    section = re.search(r"^## What the judges say$(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    assert section
    answered = set(re.findall(r"`([^`]+)`", section[1]))
    lynis = said["lynis"]
    named = {*said["testssl"]["findings"], *lynis["warnings"], *lynis["suggestions"]}
    assert named - answered == set()
