"""`workbench doctor` on a configured host: what is provoked there is found, and gone once it is put back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cli import cloud
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks

pytestmark = pytest.mark.lab

PORT = 9999
# What a workbench may have that nobody did anything to: a fix that Debian published since its image was made.
ALLOWED = {"updates"}
EXPOSED = """[Service]
ExecStart=/bin/sleep infinity
"""
PROVOKE = f"""set -e
systemd-run -q --unit=test-listener --uid=grace python3 -m http.server {PORT}
systemd-run -q --unit=test-fails --wait false || true
cat > /etc/systemd/system/workbench-test.service <<'END'
{EXPOSED}END
systemctl daemon-reload
systemctl start workbench-test
touch /run/reboot-required
touch -d '10 days ago' /var/lib/apt/lists /var/lib/apt/lists/partial
mv /var/lib/apt/periodic/update-stamp /run/test-stamp 2>/dev/null || true
nft delete table inet workbench
"""
PUT_BACK = """
systemctl restart workbench-firewall
systemctl stop test-listener workbench-test
systemctl reset-failed test-fails
rm -f /etc/systemd/system/workbench-test.service /run/reboot-required
systemctl daemon-reload
touch /var/lib/apt/lists
mv /run/test-stamp /var/lib/apt/periodic/update-stamp 2>/dev/null || true
"""


def report(workbench: Workbench) -> dict[str, Any]:
    """What doctor says, and that its exit status goes with it."""
    done = workbench.command("doctor", "--json", check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (3 if told["findings"] else 0), done.stderr
    return told


@contextmanager
def opened_by_hand(workbench: Workbench) -> Iterator[None]:
    """A rule in the security group that nobody declared, as a person clicks one together."""
    ec2 = cloud.client("ec2", stacks.aws_config(workbench.stack), workbench.outputs.region)
    servers = ec2.describe_instances(InstanceIds=[workbench.outputs.instance_id])["Reservations"][0][
        "Instances"
    ]
    (group,) = servers[0]["SecurityGroups"]
    ranges = [{"CidrIp": "0.0.0.0/0"}]
    rule = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "IpRanges": ranges}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
    try:
        yield
    finally:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])


def test_what_is_wrong_with_a_host_is_found_with_the_command_that_mends_it(workbench: Workbench) -> None:
    try:
        with opened_by_hand(workbench):
            workbench.ssh(PROVOKE)
            found = report(workbench)["findings"]
    finally:
        workbench.ssh(PUT_BACK)
    said = [(one["about"], one["what"], one["command"]) for one in found]
    for about, what, command in (
        ("listeners", f"test-listener of grace listens on TCP of 0.0.0.0, port {PORT}", "sudo kill "),
        ("ports", f"Port {PORT} answers from here", "workbench deploy"),
        ("firewall", "not in force", "restart workbench-firewall"),
        ("units", "test-fails.service failed", "restart test-fails.service"),
        ("exposure", "workbench-test.service could reach more than it needs", "workbench deploy"),
        ("restart", "an update asks for it", "systemctl reboot"),
        ("updates", "10 days ago", "apt-get update"),
    ):
        assert [one for one in said if one[0] == about and what in one[1] and command in one[2]], (
            about,
            said,
        )


def test_a_workbench_as_it_was_made_has_nothing_to_put_right(workbench: Workbench) -> None:
    told = report(workbench)
    assert [one for one in told["findings"] if one["about"] not in ALLOWED] == []
    assert [one for one in told["notes"] if one["about"] == "certificate"]
    said = workbench.command("doctor", check=False).stdout
    assert "is well: no lock, nothing unfinished" in said


def test_a_failed_login_is_counted_and_is_no_alarm(workbench: Workbench) -> None:
    login = f"{workbench.url}jupyter/hub/login"
    workbench.ssh(
        f"curl -sk -c /run/test-jar -o /dev/null {login}; "
        "token=$(awk '/_xsrf/ { print $7 }' /run/test-jar); "
        f"curl -sk -b /run/test-jar -o /dev/null -d username=ada -d password=no -d _xsrf=$token {login}; "
        "rm /run/test-jar"
    )
    (note,) = [one for one in report(workbench)["notes"] if one["about"] == "logins"]
    assert "Failed logins within a day: " in note["what"]


def test_the_hosts_own_report_is_for_root_only(workbench: Workbench) -> None:
    program = "/usr/local/lib/workbench/host/bin/doctor"
    refused = workbench.ssh(f"runuser -u grace -- {program}", check=False)
    assert refused.returncode == 1
    assert refused.stdout == ""
