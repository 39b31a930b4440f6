"""Alarms on a host that runs: a disk that is really full, a real SMTP server and a real webhook.

The servers are this machine's, at its address on the lab's bridge; their CA is the test's, which the host is told to
trust meanwhile.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from lab.visitor import Visitor
from tests.listeners import PASSWORD, USER, Hook, Mailbox, mail_server, make_ca, webhook
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

TRUST = "/usr/local/share/ca-certificates/test-listeners.crt"
LOOK = "systemctl start workbench-alarms"
FILL = "/srv/workbench/filling"
TO, OTHER = "ada@example.org", "grace@example.org"


@dataclass
class Told:
    """Who hears of alarms."""

    box: Mailbox
    hook: Hook


@pytest.fixture(scope="module")
def told(workbench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder: Path = tmp_path_factory.mktemp("alarms")
    here = workbench.ssh("ip route | awk '/^default/ { print $3 }'").stdout.strip()
    ca, pair = make_ca(folder, here)
    workbench.ssh(f"cat > {TRUST} <<'END'\n{ca.read_text()}END\nupdate-ca-certificates > /dev/null 2>&1")
    try:
        with mail_server(here, pair) as box, webhook(here, pair) as hook:
            mail = {
                "server": here, "port": box.port, "user": USER, "password": PASSWORD,
                "from": "bench@example.org", "to": [TO, OTHER],
            }  # fmt: skip
            address = f"https://{here}:{hook.port}/hooks/s3cret"
            with workbench.settings(alarms={"mail": mail, "webhook": address}) as applied:
                applied.require()
                assert "s3cret" not in applied.output
                yield Told(box, hook)
    finally:
        workbench.ssh(f"rm -f {TRUST} {FILL}; update-ca-certificates --fresh > /dev/null 2>&1; {LOOK}")


def test_a_disk_that_fills_up_is_told_once_and_once_more_when_it_has_room_again(
    workbench: Workbench, told: Told
) -> None:
    workbench.ssh(LOOK)
    assert (told.box.mails, told.hook.posts) == ([], [])
    room = int(workbench.ssh("df --output=avail -B1 /srv/workbench | tail -1").stdout)
    workbench.ssh(f"fallocate -l {room - 200 * 1024**2} {FILL}")
    try:
        workbench.ssh(f"{LOOK}; {LOOK}")
        (post,), (mail,) = told.hook.posts, told.box.mails
        assert post["path"] == "/hooks/s3cret"
        assert "ALARM: The disk at /srv/workbench is 9" in post["text"]
        assert workbench.url in post["text"]
        assert mail["Subject"].startswith(f"[workbench {workbench.stack}] The disk at /srv/workbench is 9")
        shown = workbench.command("alarms", check=False)
        assert (shown.returncode, "The disk at /srv/workbench is 9" in shown.stdout) == (3, True)
        assert "The disk at /srv/workbench is 9" in workbench.command("status", check=False).stdout
        assert "nearly full" in workbench.command("doctor", check=False).stdout
        assert "The disk at" in home(workbench, "ada"), "an administrator sees it at the hub"
        assert "The disk at" not in home(workbench, "grace")
    finally:
        workbench.ssh(f"rm -f {FILL}")
    workbench.ssh(f"{LOOK}; {LOOK}")
    assert "OVER: The disk at /srv/workbench is 9" in told.hook.posts[1]["text"]
    assert told.box.subjects[1].startswith(f"[workbench {workbench.stack}] Over: The disk")
    assert (len(told.hook.posts), len(told.box.mails)) == (2, 2)
    assert workbench.command("alarms").stdout == "No alarm is on.\n"


def home(workbench: Workbench, user: str) -> str:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login(user, workbench.password(user))
        return visitor.client.get(f"{visitor.url}/jupyter/hub/home").text


def test_a_test_says_what_arrived_and_what_the_server_refused(workbench: Workbench, told: Told) -> None:
    mails, posts = len(told.box.mails), len(told.hook.posts)
    assert "Sent by mail and webhook" in workbench.command("alarms", "--test").stdout
    assert (len(told.box.mails), len(told.hook.posts)) == (mails + 1, posts + 1)
    told.box.refused = {TO, OTHER}
    told.hook.status = 404
    try:
        done = workbench.command("alarms", "--test", check=False)
    finally:
        told.box.refused, told.hook.status = set(), 200
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert f"No alarm goes out by mail: the mail server {told_server(workbench)}" in said
    assert f"refused {TO}: 550 5.1.1 no such person here" in said
    assert "the webhook at" in said
    assert "answered with status 404: no_service" in said
    assert "s3cret" not in done.stdout + done.stderr


def told_server(workbench: Workbench) -> str:
    mail = json.loads(workbench.ssh("cat /etc/workbench/alarms.json").stdout)["mail"]
    return f"{mail['server']}, port {mail['port']}"


def test_the_secrets_are_roots_alone_and_the_looking_is_nobodys(workbench: Workbench, told: Told) -> None:
    modes = workbench.ssh(
        "stat -c '%a %U %n' /etc/workbench/alarms /etc/workbench/alarms/*"
    ).stdout.splitlines()
    assert modes == [
        "700 root /etc/workbench/alarms",
        "600 root /etc/workbench/alarms/password",
        "600 root /etc/workbench/alarms/webhook",
    ]
    assert PASSWORD not in workbench.ssh("cat /etc/workbench/alarms.json").stdout
    script = (
        "runuser -u grace -- cat /etc/workbench/alarms/password /var/lib/private/workbench-alarms/state.json; "
        "runuser -u grace -- /usr/local/lib/workbench/host/bin/alarms --test; "
        "systemctl show -p DynamicUser,LoadCredential workbench-alarms"
    )
    done = workbench.ssh(script, check=False)
    assert done.stderr.count("Permission denied") == 2, done.stderr
    assert "Only root may send a test" in done.stderr
    assert "DynamicUser=yes" in done.stdout
    assert workbench.ssh("systemctl is-active workbench-alarms.timer").stdout == "active\n"


@contextmanager
def ec2_at(address: str) -> Iterator[int]:
    """The port at which the lab's API answers to machines as well, as EC2 does on AWS."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = httpx.post(f"{endpoint}{self.path}", content=body, headers=dict(self.headers))
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.long
def test_a_snapshot_that_is_not_made_is_told_and_so_is_one_that_is(workbench: Workbench, told: Told) -> None:
    """With the credentials of the role, from the lab's metadata service. Hours pass by being asked for fewer."""
    here = workbench.ssh("ip route | awk '/^default/ { print $3 }'").stdout.strip()
    with workbench.settings(snapshots={"daily": "03:00"}) as applied, ec2_at(here) as port:
        applied.require()
        config = json.loads(workbench.ssh("cat /etc/workbench/alarms.json").stdout)
        assert config["snapshots"]["hours"] == 26
        assert workbench.ssh("systemctl is-active workbench-snapshots.timer").stdout == "active\n"

        def look(hours: float) -> dict[str, Any]:
            asked = {**config["snapshots"], "endpoint": f"http://{here}:{port}", "hours": hours}
            text = json.dumps({**config, "snapshots": asked})
            workbench.ssh(f"cat > /etc/workbench/alarms.json <<'END'\n{text}\nEND\n")
            workbench.ssh(f"systemctl start workbench-snapshots && {LOOK}")
            found: dict[str, Any] = json.loads(
                workbench.ssh("cat /var/lib/workbench-snapshots/snapshot.json").stdout
            )
            return found

        posts = len(told.hook.posts)
        found = look(0)
        assert (found["newest"], found["problem"]) == (None, None)
        assert "ALARM: No snapshot of the data volume was made" in told.hook.posts[posts]["text"]
        ec2 = boto3.client("ec2", region_name=workbench.outputs.region)
        snapshot = ec2.create_snapshot(VolumeId=workbench.outputs.volume_id)
        try:
            found = look(1)
        finally:
            ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
        assert found["newest"][:16] == f"{snapshot['StartTime']:%Y-%m-%dT%H:%M}"
        assert "OVER: No snapshot of the data volume was made" in told.hook.posts[posts + 1]["text"]
    assert workbench.ssh("systemctl is-active workbench-snapshots.timer", check=False).stdout == "inactive\n"


def test_where_nobody_is_to_be_told_a_test_says_so_and_no_secret_is_on_the_host(
    workbench: Workbench, told: Told
) -> None:
    applied = workbench.apply({"alarms": {"mail": None, "webhook": None}})
    applied.require()
    assert workbench.ssh("ls -A /etc/workbench/alarms").stdout == ""
    done = workbench.command("alarms", "--test", check=False)
    assert done.returncode == 1
    assert "Nobody is told of alarms: neither workbench:alarms.mail nor" in " ".join(done.stderr.split())
