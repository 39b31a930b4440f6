"""Data on a host that runs: S3 for the members of a group from Python and R.

S3, STS and IAM are the lab's: moto, with a layer that judges who takes on which role (lab/sessions.py). **Policies are
kept there as text, and no call of S3 is judged by them**: what a session may do is tested as text, in
tests/unit/test_settings_data.py. The machines reach the lab's API at this machine's address on the lab's bridge, as on
AWS they reach AWS's; so its address is put into data.json, and into the variable that SDKs have for it.
"""

import json
import os
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from ruamel.yaml import YAML

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench
from workbench import stackfile
from workbench_host.data import CONNECTIONS

pytestmark = pytest.mark.lab

BUCKET, REGION = "acme-measurements", "eu-west-1"
ENTRY = {"bucket": BUCKET, "prefix": "raw/", "write": True, "groups": ["lab"]}
PYTHON = "/opt/workbench/python/bin/python"
POINT = """
import json
path = "/etc/workbench/data.json"
told = json.load(open(path))
told["endpoint"] = {endpoint!r}
open(path, "w").write(json.dumps(told))
"""


@contextmanager
def api_at(address: str) -> Iterator[str]:
    """The address at which the lab's API answers to machines as well, as AWS's does."""
    lab = urlsplit(os.environ["AWS_ENDPOINT_URL"])

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            server = socket.create_connection((lab.hostname or "", lab.port or 80))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server((address, 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://{address}:{listening.getsockname()[1]}"


@dataclass
class Bench:
    """The workbench, and the address of the lab's API as its host reaches it."""

    workbench: Workbench
    endpoint: str

    def point(self) -> None:
        """Has the host ask the lab's STS, which a deploy would send to AWS's own."""
        self.workbench.ssh(f"python3 -c {shlex.quote(POINT.format(endpoint=self.endpoint))}")

    def as_user(self, name: str, script: str, check: bool = True) -> str:
        """What a script says in a login of that user, with the errors."""
        done = self.workbench.ssh(
            f"su - {name} -c {shlex.quote(f'export AWS_ENDPOINT_URL_S3={self.endpoint}; {script}')} 2>&1",
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def python(self, name: str, code: str, check: bool = True) -> str:
        return self.as_user(name, f"{PYTHON} -c {shlex.quote(code)}", check)


@pytest.fixture(scope="module")
def bench(workbench: Workbench) -> Iterator[Bench]:
    """ada is in the group of the data, grace is not."""
    here = workbench.ssh("ip route | awk '/^default/ { print $3 }'").stdout.strip()
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="raw/table.csv", Body=b"a,b\n1,20\n2,22\n")
    path = stackfile.path_of(workbench.stack)
    before = path.read_text()
    users = workbench.declared_users
    users[0]["groups"] = [*users[0].get("groups", []), "lab"]
    stackfile.set_value(path, "users", users)
    services = {**declared_services(workbench), "data": {"s3": [ENTRY]}}
    stackfile.set_value(path, "services", services)
    try:
        with api_at(here) as endpoint:
            waits = workbench.apply()
            assert waits.refused
            assert "that AWS does not grant this workbench yet; `workbench up` has it granted" in waits.output
            workbench.command("up", "--yes")
            made = Bench(workbench, endpoint)
            made.point()
            yield made
    finally:
        path.write_text(before)
        workbench.command("up", "--yes")
        for key in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=key["Key"])
        s3.delete_bucket(Bucket=BUCKET)


def declared_services(workbench: Workbench) -> Any:
    """The section of the services, as the stack file has it."""
    config = YAML(typ="safe").load(stackfile.path_of(workbench.stack).read_text())["config"]
    return config.get("workbench:services") or {}


def test_a_member_reads_and_writes_from_python_as_if_there_were_no_credentials(bench: Bench) -> None:
    code = f'''
import subprocess, sys, boto3, pandas, polars, pyarrow.fs
s3 = boto3.client("s3")
print([one["Key"] for one in s3.list_objects_v2(Bucket="{BUCKET}", Prefix="raw/")["Contents"]])
frame = pandas.read_csv("s3://{BUCKET}/raw/table.csv")
frame.to_parquet("s3://{BUCKET}/raw/table.parquet")
print("pandas", pandas.read_parquet("s3://{BUCKET}/raw/table.parquet").b.sum())
print("polars", polars.read_parquet("s3://{BUCKET}/raw/table.parquet", storage_options={{"aws_endpoint_url":
    "{bench.endpoint}", "aws_region": "{REGION}"}})["b"].sum())
# Without boto3, which polars would ask, it has credentials from object_store, as all that is written in Rust.
without = """
import sys
sys.modules["boto3"] = None
import polars
where = {{"aws_endpoint_url": "{bench.endpoint}", "aws_region": "{REGION}"}}
print("alone", polars.read_parquet("s3://{BUCKET}/raw/table.parquet", storage_options=where)["b"].sum())
"""
done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
print(done.stdout.strip() or done.stderr)
arrow = pyarrow.fs.S3FileSystem(endpoint_override="{bench.endpoint}", region="{REGION}")
print("arrow", arrow.open_input_stream("{BUCKET}/raw/table.csv").read().decode().count("2"))
print(boto3.client("sts", region_name="{REGION}", endpoint_url="{bench.endpoint}").get_caller_identity()["Arn"])
'''
    said = bench.python("ada", code).splitlines()
    assert said[0] == "['raw/table.csv']"
    assert said[1:4] == ["pandas 42", "polars 42", "alone 42"]
    assert said[4] == "arrow 4"
    assert said[5].endswith(f"-data/ada@{bench.workbench.outputs.stack}"), "CloudTrail says who it was"


def test_a_notebook_and_r_find_them_too(bench: Bench) -> None:
    python = f"""
import pandas
print(pandas.read_csv("s3://{BUCKET}/raw/table.csv", storage_options={{"client_kwargs": {{"endpoint_url":
    "{bench.endpoint}"}}}}).b.sum())
"""
    r = f"""
keys <- jsonlite::fromJSON(paste(system2("workbench-data", "credentials", stdout = TRUE), collapse = ""))
handle <- curl::new_handle(aws_sigv4 = "aws:amz:{REGION}:s3", username = keys$AccessKeyId,
                           password = keys$SecretAccessKey)
curl::handle_setheaders(handle, "x-amz-security-token" = keys$SessionToken)
answer <- curl::curl_fetch_memory("{bench.endpoint}/{BUCKET}/raw/table.csv", handle)
cat(sum(read.csv(text = rawToChar(answer$content))$b))
"""
    workbench = bench.workbench
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.stop_server()  # one from before has the environment of before
        visitor.spawn()
        assert visitor.run_code(python).strip() == "42"
        assert visitor.run_code(r, kernel="ir").strip() == "42"


def test_who_is_not_in_the_group_is_told_so_and_the_metadata_service_is_still_closed(bench: Bench) -> None:
    read = f"import pandas; pandas.read_csv('s3://{BUCKET}/raw/table.csv')"
    said = bench.python("grace", read, check=False)
    assert "grace is in no group that has data in S3 (services.data.s3). Ask an administrator" in said
    assert "grace is in no group" in bench.as_user("grace", "workbench-data", check=False)
    listed = bench.as_user("ada", "workbench-data")
    assert listed.split() == [f"s3://{BUCKET}/raw/", "read,", "write", REGION]
    for user in ("ada", "grace"):
        closed = bench.as_user(user, "curl -sS -m 3 http://169.254.169.254/latest/meta-data/", check=False)
        assert "curl: (7)" in closed or "curl: (28)" in closed, closed
        assert "Permission denied" in bench.as_user(user, "cat /etc/workbench/data.json", check=False)


def test_every_kind_of_session_finds_the_service(bench: Bench) -> None:
    """A command by SSH, and a unit of the user's own in a systemd that began since (as a timer starts it).

    In a lasting one that began before, runs of schedules have them: tests/unit/host/test_schedules_runs.py.
    """
    show = "printenv AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_EC2_METADATA_DISABLED"
    assert bench.as_user("ada", show).split() == ["http://127.0.0.1:59/", "true"]
    manager = (
        "uid=$(id -u ada); systemctl restart user@$uid; "
        "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID user@$uid)/environ | grep ^AWS_ | LC_ALL=C sort"
    )
    assert bench.workbench.ssh(manager).stdout.split() == [
        "AWS_CONTAINER_AUTHORIZATION_TOKEN=workbench",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/etc/workbench/data-token",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:59/",
        "AWS_EC2_METADATA_DISABLED=true",
    ]


def test_a_program_that_passes_addresses_on_gives_nothing_away(bench: Bench) -> None:
    """As a Shiny app of ada's would that fetches what its visitors name; and root and services are nobody."""
    said = bench.as_user("ada", "curl -s http://127.0.0.1:59/")
    assert json.loads(said)["code"] == "Unauthorized"
    head = "-H 'Authorization: workbench' http://127.0.0.1:59/"
    assert "not for this account" in bench.workbench.ssh(f"curl -s {head}").stdout
    assert "not for this account" in bench.workbench.ssh(f"runuser -u caddy -- curl -s {head}").stdout
    assert "AccessKeyId" in bench.as_user("ada", f"curl -s {head}")


def test_one_user_does_not_keep_the_service_from_others(bench: Bench) -> None:
    flood = (
        "import socket, time\nheld = []\nfor _ in range(500):\n    one = socket.socket()\n"
        "    one.settimeout(0.2)\n    try:\n        one.connect(('127.0.0.1', 59))\n"
        "        held.append(one)\n    except OSError:\n        pass\n"
        "print(len(held), flush=True)\ntime.sleep(4)\n"
    )
    script = (
        f"su - grace -c {shlex.quote(f'python3 -c {shlex.quote(flood)}')} & sleep 3; "
        "su - ada -c 'workbench-data'; wait; systemctl is-active workbench-data"
    )
    said = bench.workbench.ssh(script).stdout.split("\n")
    held = next(int(line) for line in said if line.isdigit())
    assert held <= CONNECTIONS
    assert any(BUCKET in line for line in said)
    assert "active" in said


def test_no_secret_is_on_a_process_list_in_the_journal_or_in_a_file(bench: Bench) -> None:
    keys = json.loads(bench.as_user("ada", "workbench-data credentials"))
    workbench = bench.workbench
    look = (
        "journalctl -q -o cat -b; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; "
        "cat /etc/workbench/data.json"
    )
    everything = workbench.ssh(look).stdout
    for name in ("SecretAccessKey", "SessionToken"):
        assert keys[name] not in everything
    assert "ada has credentials until" in everything
    assert workbench.ssh("stat -c '%a %U' /etc/workbench/data.json").stdout == "600 root\n"
    limits = workbench.ssh("systemctl show -p MemoryMax,Restart workbench-data").stdout
    assert "MemoryMax=268435456" in limits


def test_who_leaves_the_group_gets_nothing_from_the_next_deploy_on(bench: Bench) -> None:
    """And a deploy is all that it takes; what was given before lives until its hour is over."""
    users = bench.workbench.declared_users
    users[0]["groups"] = [group for group in users[0]["groups"] if group != "lab"]
    users[1]["groups"] = [*users[1].get("groups", []), "lab"]
    applied = bench.workbench.apply({"users": users})
    applied.require()
    assert bench.workbench.apply().changed == []
    bench.point()
    assert "ada is in no group" in bench.as_user("ada", "workbench-data credentials", check=False)
    assert BUCKET in bench.as_user("grace", "workbench-data")
    assert "AccessKeyId" in bench.as_user("grace", "workbench-data credentials")
