"""What both sides know of the host is the same on both."""

import json
import re
from typing import Any

import pytest

from deploy import files
from infra import first_boot
from tests.unit.deploy import host_programs
from workbench import host


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("prod", "workbench-prod"),
        ("organization/project/Dev.EU_1", "workbench-dev-eu-1"),
        ("-x-", "workbench-x"),
        ("a" * 80, "workbench-" + "a" * 53),
        ("a" * 52 + ".b", "workbench-" + "a" * 52),
    ],
)
def test_a_host_name_is_one_that_dns_takes_from_the_first_boot_on(stack: str, name: str) -> None:
    assert host.host_name(stack) == name
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    seeded = first_boot.user_data(stack, []).removeprefix("#cloud-config\n")
    assert json.loads(seeded)["hostname"] == name


def test_the_hosts_programs_look_for_the_data_volume_where_it_is_mounted() -> None:
    hosttools: Any = host_programs.load("hosttools")
    volume: Any = host_programs.load("volume")
    hostkeys: Any = host_programs.load("hostkeys")
    assert {hosttools.DATA_VOLUME, volume.MOUNT, hostkeys.VOLUME} == {host.DATA_VOLUME}
    unit = files.render("users/workbench-accounts.service.j2")
    assert f"RequiresMountsFor={host.DATA_VOLUME} " in unit
