"""What both sides know of the host is the same on both."""

import json
import re

import pytest

from deploy import files
from infra import first_boot
from workbench import host
from workbench.stack import ROOT
from workbench_host import tools


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


def test_what_notes_changed_passwords_waits_for_the_data_volume() -> None:
    unit = (files.TEMPLATES / "users/workbench-accounts.service.j2").read_text()
    assert f"RequiresMountsFor={tools.DATA_VOLUME} " in unit


def test_where_our_programs_are_on_the_host_is_written_once() -> None:
    """Elsewhere it is asked for (workbench/host.py)."""
    folders = ("bench", "cli", "connector", "deploy", "host", "infra", "templates", "workbench")
    files_of = (path for name in folders for path in (ROOT / name).rglob("*") if path.is_file())
    spelled = f"{host.PROGRAMS}/bin".encode()
    assert [path for path in files_of if path.suffix != ".pyc" and spelled in path.read_bytes()] == []
    unit = files.render("users/workbench-accounts.service.j2", program=host.program_path("accounts"))
    assert f"ExecStart={host.PROGRAMS}/bin/accounts --save\n" in unit
