"""What the host is told of data, by which units it is given out, and what waits for `up`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import data, files, units
from tests.needs import needs
from workbench import stackfile
from workbench.config import parse
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs, Place
from workbench.stack import Context
from workbench_host import data as host
from workbench_host.data.sessions import Wanted

USERS = [
    {"name": "ada", "groups": ["lab", "writers"]},
    {"name": "bob", "groups": ["lab"]},
    {"name": "cy", "groups": ["lab"]},
    {"name": "grace"},
    {"name": "old", "groups": ["lab"], "removed": True},
]
ENTRIES = [
    {"bucket": "acme-raw", "prefix": "a/", "groups": ["lab"]},
    {"bucket": "acme-out", "write": True, "groups": ["writers"]},
]
PLACES = (
    Place(bucket="acme-raw", prefix="a/", write=False, region="eu-central-1"),
    Place(bucket="acme-out", prefix="", write=True, region="eu-west-1"),
)


def context(config: dict[str, Any], entries: Any = ENTRIES, places: Any = PLACES) -> Context:
    services = {"data": {"s3": entries}}
    settings = parse({**config, "workbench:users": USERS, "workbench:services": services})
    facts = Outputs(
        stack="dev", region="eu-west-1", zone="eu-west-1a", address="198.51.100.7", host_name="h", instance_id="i-1",
        instance_type="t3.large", architecture="x86_64", vcpus=2, memory_mib=8192, volume_id="vol-1", url="u", ssh="s",
        data_role="arn:aws:iam::1:role/workbench-dev-data", data_places=places,
    )  # fmt: skip
    return Context(settings, facts)


def test_the_host_is_told_who_may_what_and_nothing_of_others(config: dict[str, Any], tmp_path: Path) -> None:
    told = data.wanted(context(config))
    assert told["people"].keys() == {"ada", "bob", "cy"}
    assert told["people"]["bob"] == told["people"]["cy"]
    assert len(told["sets"]) == 2
    assert told["endpoint"] == "https://sts.eu-west-1.amazonaws.com"
    path = tmp_path / "data.json"
    path.write_text(json.dumps(told))
    wanted = Wanted(str(path))
    assert [one["bucket"] for one in wanted.of("ada").places] == ["acme-raw", "acme-out"]
    assert wanted.of("bob").places == ({**PLACES[0].model_dump()},)
    assert "acme-out" not in wanted.of("bob").policy
    assert "s3:PutObject" not in wanted.of("bob").policy


def test_a_place_that_aws_does_not_grant_yet_waits_for_up(config: dict[str, Any]) -> None:
    data.require_made(context(config))
    with pytest.raises(WorkbenchError) as caught:
        data.require_made(context(config, places=PLACES[:1]))
    assert str(caught.value) == (
        "workbench:services.data.s3[1] is a place (acme-out/, to write) that AWS does not grant this workbench yet; "
        "`workbench up` has it granted, and deploys as well."
    )


def test_where_the_place_stands_is_said(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  workbench:services:\n    data:\n      s3:\n        - bucket: acme-raw\n")
    monkeypatch.setattr(stackfile, "path_of", lambda _: path)
    with pytest.raises(
        WorkbenchError, match=r"^Pulumi.dev.yaml, line 5: workbench:services.data.s3\[0\] is a place"
    ):
        data.require_made(context(config, places=()))


def test_another_group_or_a_place_less_is_the_hosts_affair(config: dict[str, Any]) -> None:
    others = [{**ENTRIES[0], "groups": ["writers"]}]
    changed = context(config, others)
    data.require_made(changed)
    assert data.wanted(changed)["people"].keys() == {"ada"}


def test_no_data_no_service_to_find(config: dict[str, Any]) -> None:
    assert data.environment(parse(config)) == host.WITHOUT_METADATA
    assert data.environment(context(config).settings)["AWS_CONTAINER_CREDENTIALS_FULL_URI"]


def test_pam_gives_it_to_every_session(config: dict[str, Any]) -> None:
    found = data.environment(context(config).settings)
    lines = files.render("temporary/pam_env.conf.j2", scratch="/srv/workbench/tmp", others=found).splitlines()
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI DEFAULT=http://127.0.0.1:59/" in lines
    assert "AWS_EC2_METADATA_DISABLED DEFAULT=true" in lines


@needs("systemd-analyze")
def test_the_units_are_sound_and_sandboxed(tmp_path: Path) -> None:
    variables = {"socket": data.SOCKET, "program": "/bin/true", "address": host.ADDRESS, "port": host.PORT}
    for unit in (data.SOCKET, data.UNIT):
        (tmp_path / unit).write_text(files.render(f"data/{unit}.j2", **variables))
    verify = [
        "systemd-analyze",
        "verify",
        "--man=no",
        *(str(tmp_path / unit) for unit in (data.SOCKET, data.UNIT)),
    ]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    judge = ["systemd-analyze", "security", "--offline=true", "--threshold=40", str(tmp_path / data.UNIT)]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_its_units_are_where_systemd_looks() -> None:
    assert units.started_with(data.SOCKET) == [data.SOCKET, data.UNIT]
