"""The units of users' apps as rendered."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from deploy import apps, pages, programs
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench.settings.services import Shiny
from workbench_host.accounts import apps as sockets
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.apps import listing

VARIABLES = {
    "accounts": "/bin/true",
    "dispatcher": "/bin/true",
    "folder": sockets.FOLDER,
    "socket": sockets.SOCKET,
    "some_closed": sockets.SOME_CLOSED,
    "group": "root",
    "runtime": apps.RUNTIME,
    "locale": "en_US.UTF-8",
}
LISTED = {**apps.listed_variables(), "program": "/bin/true"}


def text(unit: str) -> str:
    if unit == apps.AGAIN_UNIT:
        return (TEMPLATES / "apps" / unit).read_text()
    listed = unit in (apps.LISTED_SOCKET, apps.LISTED_UNIT)
    return render(f"apps/{unit}.j2", **(LISTED if listed else VARIABLES))


def parsed(unit: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(text(unit))
    return found


def test_a_users_apps_run_as_that_user_in_that_users_slice() -> None:
    service = parsed(apps.DISPATCHER_UNIT)["Service"]
    assert (service["User"], service["Slice"]) == ("%i", "user-%i.slice")
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert not any("+/" in value or "!/" in value for value in service.values())


def test_apps_may_write_where_their_temporary_files_are() -> None:
    writable = parsed(apps.DISPATCHER_UNIT)["Service"]["ReadWritePaths"].split()
    assert any(Path(SCRATCH).is_relative_to(path) for path in writable)


def test_the_socket_is_roots_and_for_the_proxy_alone() -> None:
    socket = parsed(apps.SOCKET_UNIT)["Socket"]
    assert (socket["SocketUser"], socket["SocketMode"], socket["DirectoryMode"]) == ("root", "0660", "0755")
    assert socket["ListenStream"] == "/run/workbench-apps/%i/apps.sock"


def test_a_users_socket_that_does_not_start_keeps_the_unit_and_so_everybody_elses() -> None:
    assert parsed(apps.UNIT)["Service"]["SuccessExitStatus"] == str(sockets.SOME_CLOSED)


def test_an_apps_own_socket_has_a_short_path_in_a_folder_that_is_small() -> None:
    assert len(f"{apps.RUNTIME}/1000000") < 107
    assert "size=1M" in parsed(apps.DISPATCHER_UNIT)["Service"]["TemporaryFileSystem"]


def test_a_mended_dispatcher_replaces_one_that_runs_and_another_program_that_changed_does_not() -> None:
    package = f"{programs.LINK}/workbench_host"
    assert {f"{package}/apps/{name}.py" for name in ("dispatcher", "kinds", "requests", "running")} <= set(
        apps.reads()
    )
    assert f"{package}/accounts/program.py" not in apps.reads()
    assert f"/etc/systemd/system/{apps.DISPATCHER_UNIT}" in apps.reads()


def test_the_list_is_written_where_the_proxy_reads_it_and_kept_on_the_data_volume() -> None:
    service = parsed(apps.LISTED_UNIT)["Service"]
    program, state, public = service["ExecStart"].split()
    assert (program, state, public) == (
        "/bin/true",
        "/srv/workbench/listed-apps/apps.json",
        pages.LISTED_APPS,
    )
    assert str(Path(public).parent) == f"/run/{service['RuntimeDirectory']}"
    assert service["ReadWritePaths"].lstrip("-") == str(Path(state).parent)
    assert service["User"] in Shiny.reserved_names
    assert parsed(apps.LISTED_SOCKET)["Socket"]["ListenStream"] == listing.SOCKET


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    named = (apps.UNIT, apps.SOCKET_UNIT, apps.DISPATCHER_UNIT, apps.AGAIN_UNIT)
    named += (apps.LISTED_SOCKET, apps.LISTED_UNIT)
    paths = [tmp_path / unit.replace("@", "@2001") for unit in named]
    for unit, path in zip(named, paths, strict=True):
        path.write_text(text(unit))
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    ).stderr
    assert [line for line in said.splitlines() if "-apps" in line] == []


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", [apps.UNIT, apps.DISPATCHER_UNIT, apps.AGAIN_UNIT, apps.LISTED_UNIT])
def test_the_units_are_confined(tmp_path: Path, unit: str) -> None:
    path = tmp_path / unit.replace("@", "@2001")
    path.write_text(text(unit))
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(path)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    level = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert level, said
    assert float(level[1]) <= 4.0
