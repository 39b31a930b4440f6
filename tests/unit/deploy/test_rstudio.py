"""RStudio's configuration, its package, and the two programs that begin a session, as far as no host is needed."""

import fnmatch
import os
import pwd
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.findings import EXPOSED, EXPOSURE
from deploy import python, rstudio, units
from deploy.files import render
from tests.needs import needs
from workbench import versions
from workbench.settings import Mirrors
from workbench.settings.services import RStudio
from workbench.stack import ROOT
from workbench_host import rsession, session_scope
from workbench_host.checkup.units import of_templates
from workbench_host.team import places


def config(name: str, **variables: object) -> dict[str, str]:
    lines = render(f"rstudio/{name}.j2", **variables).splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_the_server_is_on_loopback_below_its_path_with_cookies_for_https_only() -> None:
    found = config(
        "rserver.conf", port=87, root_path="/rstudio", rsession="/usr/local/lib/workbench/rsession"
    )
    assert found == {
        "www-address": "127.0.0.1",
        "www-port": "87",
        "www-root-path": "/rstudio",
        "auth-cookies-force-secure": "1",
        "rsession-which-r": "/usr/bin/R",
        "rsession-path": "/usr/local/lib/workbench/rsession",
    }


def test_sessions_are_suspended_after_two_hours_and_take_packages_from_the_mirror() -> None:
    mirrors = Mirrors.model_validate({"cran": "http://mirror.example/cran"})
    assert config("rsession.conf", cran=mirrors.r_packages) == {
        "session-timeout-minutes": "120",
        "r-cran-repos": "http://mirror.example/cran",
    }


def test_the_package_is_posits_or_that_of_the_settings() -> None:
    pinned = rstudio.package(RStudio(), Mirrors())
    assert pinned.address == (
        "https://download2.rstudio.org/server/jammy/amd64/rstudio-server-2026.07.0-139-amd64.deb"
    )
    assert pinned.sha256 == versions.RSTUDIO_SHA256
    own = RStudio.model_validate({"version": "2025.09.2+418", "sha256": "a" * 64})
    found = rstudio.package(own, Mirrors.model_validate({"rstudio": "http://mirror.example/deb"}))
    assert (found.address, found.sha256) == (
        "http://mirror.example/deb/rstudio-server-2025.09.2-418-amd64.deb",
        "a" * 64,
    )


def test_a_server_that_is_off_is_no_reason_to_leave_its_users_sessions_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that was killed after it had stopped the server left them; they are suspended before they are stopped."""
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(units, "off", lambda **how: asked.append(("off", how)))
    monkeypatch.setattr(units, "end", lambda **how: asked.append(("end", how)))
    rstudio._stop()
    assert [verb for verb, _ in asked] == ["off"] * 6 + ["end"]
    assert fnmatch.fnmatch(session_scope.SCOPE.format(2000, 4321), asked[-1][1]["pattern"])
    assert asked[-1][1]["before"] == rstudio.suspend_script()


def test_sessions_are_waited_for_once_they_are_told_to_suspend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved"
    programs = {
        "rstudio-server": f'[ "$1" = force-suspend-all ] && {{ sleep 1; touch {saved}; }} &',
        "systemctl": f"[ ! -e {saved} ]",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    subprocess.run(["sh", "-c", f"{rstudio.suspend_script()}; [ -e {saved} ]"], check=True)


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    variables = {
        "address": rsession.SCOPES,
        "program": "/bin/true",
        "socket": rstudio.SCOPE_SOCKET,
        "answering": units.answering(RStudio()),
        "log_folders": rstudio.LOGS,
    }
    paths = [tmp_path / name for name in (rstudio.SCOPE_SOCKET, rstudio.SCOPE_UNIT)]
    for path in paths:
        path.write_text(render(f"rstudio/{path.name}.j2", **variables))
    (tmp_path / "rstudio-server.service").write_text("[Service]\nExecStart=/bin/true\n")
    drop_in = tmp_path / "rstudio-server.service.d" / "60-workbench.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(render("rstudio/rstudio-server.conf.j2", **variables))
    said = subprocess.run(
        ["systemd-analyze", "verify", str(paths[0]), str(tmp_path / "rstudio-server.service")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    ).stderr
    assert [line for line in said.splitlines() if str(tmp_path) in line or "workbench" in line] == []


@needs("systemd-analyze")
def test_no_unit_of_rstudios_is_more_exposed_than_it_has_to_be(tmp_path: Path) -> None:
    """With the package's unit as the stand-in has it, which brings no sandbox of its own."""
    variables = {
        "program": "/bin/true",
        "socket": "a.socket",
        "answering": "/bin/true",
        "log_folders": "/x",
        "proxy": "caddy",
    }
    more = {"port": 87, "page": "/x", "address": "/run/x", "group": "caddy", "data_volume": "/srv"}
    for unit in (rstudio.SCOPE_UNIT, rstudio.PORTS_UNIT, rstudio.SIGN_IN_UNIT):
        (tmp_path / unit).write_text(render(f"rstudio/{unit}.j2", **variables, **more))
    (tmp_path / rstudio.UNIT).write_text((ROOT / "tests/standins/rstudio-server" / rstudio.UNIT).read_text())
    drop_in = tmp_path / f"{rstudio.UNIT}.d" / "60-workbench.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(render("rstudio/rstudio-server.conf.j2", **variables, **more))
    judge = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        *map(str, tmp_path.glob("*.service")),
    ]
    said = subprocess.run(judge, capture_output=True, text=True, check=True).stdout
    found = of_templates(said)
    assert set(found) == {rstudio.UNIT, rstudio.SCOPE_UNIT, rstudio.PORTS_UNIT, rstudio.SIGN_IN_UNIT}
    assert {unit: level for unit, level in found.items() if level > EXPOSED.get(unit, EXPOSURE)} == {}


def test_temporary_files_of_a_session_are_in_its_users_folder_where_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R does not start without a folder for them, and what fills a quota could not be deleted."""
    monkeypatch.setattr(rsession, "SCRATCH", str(tmp_path))
    (tmp_path / "ada").mkdir()
    assert rsession.temporary("ada") == {"TMPDIR": f"{tmp_path}/ada"}
    assert rsession.temporary("grace") == {}


def test_a_session_keeps_its_state_in_the_home_unless_nothing_can_be_written_there(tmp_path: Path) -> None:
    assert rsession.state(str(tmp_path)) == {}
    kept = tmp_path / ".local/share/rstudio"
    assert list(kept.iterdir()) == []
    kept.rmdir()
    kept.write_text("in the way: a mkdir fails, as on a disk that is full")
    first, second = (Path(rsession.state(str(tmp_path))["RSTUDIO_DATA_HOME"]) for _ in range(2))
    assert first != second
    for folder in (first, second):
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.rmdir()


def installed_r(folder: Path, version: str) -> Path:
    """A front end of R as R installs it: a shell script that names its folders."""
    home = folder / version / "lib" / "R"
    (home / "etc").mkdir(parents=True)
    (home / "etc" / "ldpaths").write_text('R_LD_LIBRARY_PATH="${R_HOME}/java"\n')
    program = folder / version / "bin" / "R"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nR_DOC_DIR=/usr/share/R/doc\nexport R_DOC_DIR\necho ${{R_HOME-{home}}}\n")
    program.chmod(0o755)
    return program


def test_a_session_has_the_surroundings_of_the_r_that_its_user_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = installed_r(tmp_path, "4.4.3")
    monkeypatch.setenv("R_HOME", "/usr/lib/R")
    monkeypatch.setenv("R_SHARE_DIR", "/usr/share/R/share")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/R/lib")
    home = tmp_path / "4.4.3" / "lib" / "R"
    found = rsession.surroundings(program)
    assert {
        key: value for key, value in found.items() if key.startswith("R_") or key == "LD_LIBRARY_PATH"
    } == {
        "R_HOME": str(home),
        "R_SHARE_DIR": f"{home}/share",
        "R_INCLUDE_DIR": f"{home}/include",
        "R_DOC_DIR": "/usr/share/R/doc",
        "LD_LIBRARY_PATH": f"{home}/lib:{home}/java",
    }


@pytest.mark.parametrize(
    ("choice", "is_taken"),
    [
        (b"4.4.3\n", True),
        (b"4.4.2", False),
        (b"../4.4.3", False),
        (b"", False),
        (b"\xff", False),
        (None, False),
    ],
)
def test_a_choice_is_a_version_that_is_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: bytes | None, is_taken: bool
) -> None:
    monkeypatch.setattr(rsession, "VERSIONS", tmp_path / "R")
    program = installed_r(tmp_path / "R", "4.4.3")
    if choice is not None:
        file = tmp_path / "home" / rsession.CHOICE
        file.parent.mkdir(parents=True)
        file.write_bytes(choice)
    assert rsession.chosen(str(tmp_path / "home")) == (program if is_taken else None)


def test_a_session_has_the_environment_of_the_team_that_its_user_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path / "opt")
    choice = tmp_path / "home" / rsession.CHOICE
    choice.parent.mkdir(parents=True)
    programs = {"geo": "/opt/environments/geo/bin/python", "old": "/opt/R/4.2.3/bin/R", "stats": "/usr/bin/R"}
    for name, program in programs.items():
        folder = tmp_path / "opt" / f"{name}-{'a' * 12}"
        folder.mkdir(parents=True)
        (tmp_path / "opt" / name).symlink_to(folder.name)
        places.mark(folder, places.Marker(name, "Python" if name == "geo" else "R", "4.5", program, 1))
    found = {}
    for name in (*programs, "absent", "../opt/geo", "4.2.3"):
        choice.write_text(f"{name}\n")
        found[name] = rsession.environment(str(tmp_path / "home"))
    assert found["geo"] == (None, {"RETICULATE_PYTHON": programs["geo"], "WORKBENCH_ENV": "geo"})
    assert found["stats"] is not None
    assert found["stats"][0] is None
    assert found["stats"][1]["R_LIBS"] == f"{tmp_path}/opt/stats-{'a' * 12}/library"
    assert found["old"] is not None
    assert found["old"][0] == Path(programs["old"])
    assert (found["absent"], found["../opt/geo"], found["4.2.3"]) == (None, None, None)


def test_a_closed_account_has_no_session_whatever_cookie_its_browser_keeps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rsession, "enter_slice", lambda: pytest.fail("a session was started"))
    monkeypatch.setattr("grp.getgrnam", lambda _: SimpleNamespace(gr_mem=["somebody else"]))
    assert rsession.main([]) == 1
    assert "not a user of the workbench any more" in capsys.readouterr().err


def test_without_the_scope_there_is_no_session(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rsession, "is_user", lambda name: True)
    monkeypatch.setattr(rsession, "SCOPES", "/nowhere.sock")
    monkeypatch.setattr(os, "execve", lambda *arguments: pytest.fail("a session was started"))
    assert rsession.main([]) == 1
    assert "No session without its user's limits" in capsys.readouterr().err


@pytest.mark.parametrize("is_on", [True, False])
def test_a_session_finds_the_python_of_terminals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(rsession, "is_user", lambda name: True)
    monkeypatch.setattr(rsession, "enter_slice", lambda: None)
    monkeypatch.setattr(rsession, "chosen", lambda home: None)
    monkeypatch.setattr(rsession, "environment", lambda home: None)
    monkeypatch.setattr(os, "execve", lambda path, arguments, environment: started.append(environment))
    monkeypatch.setattr(rsession, "PROFILE", tmp_path / "profile")
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin")
    if is_on:
        rsession.PROFILE.touch()
    rsession.main([])
    assert started[0]["PATH"] == (f"{python.BIN}:/usr/sbin:/usr/bin" if is_on else "/usr/sbin:/usr/bin")
    assert os.environ["PATH"] == "/usr/sbin:/usr/bin"


def test_who_calls_is_what_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert session_scope.caller(theirs) == (os.getpid(), os.getuid())
    assert pwd.getpwnam("nobody").pw_uid not in session_scope.SESSION_UIDS
    assert 0 not in session_scope.SESSION_UIDS
