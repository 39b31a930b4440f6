"""`workbench logs` on a host that runs: services, a user's own words, deploys, and that no secret is among them."""

import json
import shlex
import signal
import subprocess
import sys
import time
import uuid
from typing import Any

import pytest

from cli.logs import PROGRAM, request, units
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

# As a user: under a service's identifier, and with fields that are systemd's own words about a unit.
FORGE = """
import os, socket
os.setgid(2000), os.setuid(2000)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.connect("/run/systemd/journal/socket")
lines = ["MESSAGE={0} native", "UNIT=jupyterhub.service", "_SYSTEMD_UNIT=jupyterhub.service", "_UID=0", "_PID=1"]
lines += ["SYSLOG_IDENTIFIER=workbench-deploy", "OBJECT_SYSTEMD_UNIT=jupyterhub.service"]
journal.send(("\\n".join(lines) + "\\n").encode())
journal.send(b"SYSLOG_IDENTIFIER=jupyterhub\\nMESSAGE={0} \\x1b[2J escape\\n")
"""


def logs(workbench: Workbench, *arguments: str) -> list[dict[str, Any]]:
    told = workbench.command("logs", *arguments, "--json").stdout
    return [json.loads(line) for line in told.splitlines()]


def test_what_a_user_forges_is_told_as_the_users_and_nobody_elses(workbench: Workbench) -> None:
    mark = uuid.uuid4().hex
    workbench.ssh(f"python3 - <<'END'\n{FORGE.format(mark)}\nEND\nsleep 0.5")
    asked = [request(words).arguments for words in ([], ["jupyterhub"], ["deploy"], ["user", "grace"])]
    calls = [shlex.join([PROGRAM, *arguments, "--since=-5min"]) for arguments in asked]
    assert mark not in workbench.ssh("; ".join(calls)).stdout
    mine = [one for one in logs(workbench, "user", "ada", "--since", "5min") if mark in one["message"]]
    assert [one["user"] for one in mine] == ["ada", "ada"]
    shown = workbench.command("logs", "user", "ada").stdout
    assert mark in shown
    assert "\x1b" not in shown


def test_services_and_deploys_are_told_and_what_there_is_not_is_one_sentence(workbench: Workbench) -> None:
    told = logs(workbench)
    assert told
    assert told == sorted(told, key=lambda one: one["time"])
    assert {one["service"] for one in told} <= set(units())
    assert {one["user"] for one in told} == {None}
    asked = [
        shlex.join([PROGRAM, *request(words).arguments, "--since=-1w"])
        for words in (["jupyterhub"], ["deploy"])
    ]
    hub, deploys = (workbench.ssh(call).stdout for call in asked)
    assert "Started jupyterhub.service" in hub
    # The deploy that made this host, of which sudo's own lines tell nothing in words.
    assert "begun by " in deploys
    assert "changed: jupyterhub | Run jupyterhub.service" in deploys
    assert "through: " in deploys
    for arguments, words in (
        (["--user", "nobody"], "there is no account 'nobody'; there are "),
        (["--deploy", "--since=nonsense"], "--since is 'nonsense', which is no time"),
    ):
        refused = workbench.ssh(shlex.join([PROGRAM, *arguments]), check=False)
        assert refused.returncode == 1
        assert refused.stderr.startswith(words)


def test_what_comes_is_followed_until_ctrl_c_and_nothing_stays_behind(workbench: Workbench) -> None:
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "cli", "logs", "user", "ada", "-f", "--stack", workbench.stack]
    command = ["env", "--default-signal=INT", *command]  # tests that run in the background ignore it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as following:  # type: ignore[call-overload]
        # Again and again: on a busy machine it takes a while until the first is waited for.
        saying = f"for second in $(seq 60); do logger {mark}; sleep 1; done"
        workbench.ssh(f"runuser -u ada -- sh -c '{saying}' > /dev/null 2>&1 &")
        for line in following.stdout:
            if mark in line:
                break
        workbench.ssh(f"pkill -f '[f]or second.*{mark}'")
        following.send_signal(signal.SIGINT)
        try:
            assert following.wait(10) == 0
        finally:
            following.kill()
        assert following.stderr.read() == ""
    until = time.monotonic() + 10
    while workbench.ssh("pgrep -f 'bin/[l]ogs --user'", check=False).stdout:
        assert time.monotonic() < until
        time.sleep(0.3)


def test_no_password_token_or_cookie_is_in_the_journal(workbench: Workbench) -> None:
    """Of those who are logged in, and of the services; of each it is looked for as it is."""
    secrets = [workbench.password("ada"), *(user["passwordHash"] for user in workbench.declared_users)]
    state = "cat /srv/workbench/jupyterhub/jupyterhub_cookie_secret /srv/workbench/jupyterhub/proxy.env"
    running = (
        "cat $(pgrep -f 'jupyterhub' | sed 's,.*,/proc/&/environ,') 2>/dev/null | tr '\\0' '\\n' | grep TOKEN"
    )
    secrets += workbench.ssh(state).stdout.replace("=", "\n").split()
    secrets += [line.partition("=")[2] for line in workbench.ssh(f"{running} || true").stdout.splitlines()]
    wanted = sorted({one for one in secrets if len(one) >= 12 and not one.isupper()})
    assert len(wanted) >= 4
    journal = workbench.ssh("journalctl --quiet --output=json --all --output-fields=MESSAGE,_COMM").stdout
    said = [json.loads(line) for line in journal.splitlines()]
    # What these tests themselves run by sudo has passwords in it.
    ours = ("COMMAND=/usr/bin/bash -c", "(command continued)")
    texts = [str(one.get("MESSAGE")) for one in said]
    texts = [
        text
        for one, text in zip(said, texts, strict=True)
        if one.get("_COMM") != "sudo" or not any(word in text for word in ours)
    ]
    assert any("Started jupyterhub.service" in text for text in texts)  # so it is searched at all
    assert [text for text in texts if any(secret in text for secret in wanted)] == []
