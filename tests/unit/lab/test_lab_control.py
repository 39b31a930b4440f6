"""Starting and asking the lab: what a person sees when something is in the way; what is written where."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from lab import control, daemon, tools
from lab.paths import Layout, home, project_root
from workbench.errors import WorkbenchError


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("WORKBENCH_LAB_DIR", str(tmp_path / "lab"))
    made = Layout(home())
    made.make()
    return made


def test_the_home_is_where_the_variable_says_else_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_LAB_DIR", raising=False)
    assert home() == project_root() / ".lab"
    monkeypatch.setenv("WORKBENCH_LAB_DIR", "/somewhere/else")
    assert home() == Path("/somewhere/else")


def test_a_homes_id_survives_its_removal_and_is_nobody_elses(tmp_path: Path) -> None:
    first = Layout(tmp_path / "lab")
    first.make()
    known = first.id
    for folder in sorted(first.root.rglob("*"), reverse=True):
        folder.rmdir()
    first.root.rmdir()
    assert Layout(tmp_path / "lab").id == known
    assert Layout(tmp_path / "other").id != known


def test_a_second_daemon_on_the_same_home_is_refused(layout: Layout) -> None:
    holding = daemon.lock(layout)
    asked = subprocess.run(
        [sys.executable, "-c", "from lab import daemon, paths; daemon.lock(paths.Layout(paths.home()))"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"a lab already runs on {layout.root} (process {os.getpid()})" in asked.stderr
    holding.close()
    daemon.lock(layout).close()


def test_a_daemon_is_known_by_its_lock_not_by_a_left_over_number(layout: Layout) -> None:
    assert daemon.holder_of(layout) == 0
    layout.lock.write_text("1")
    assert daemon.holder_of(layout) == 0
    holding = daemon.lock(layout)
    assert daemon.holder_of(layout) == os.getpid()
    holding.close()


def test_a_port_that_is_taken_is_named_with_who_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError, match=rf"port {port} .* the API, is taken by .*pid {os.getpid()}"):
            daemon.listen(port, "the API")


def test_a_lab_that_is_not_there_has_a_status(layout: Layout) -> None:
    assert control.status() == control.Status(running=False)
    control.stop()


def test_the_environment_before_the_first_start_says_what_to_do(layout: Layout) -> None:
    with pytest.raises(WorkbenchError, match="workbench lab start"):
        control.environment()


def test_the_environment_leads_everything_to_the_lab(layout: Layout) -> None:
    daemon.write_ports(layout, {"api": 5005, "provider": 5006})
    told = control.environment()
    assert told["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5005"
    assert told["PULUMI_DEBUG_PROVIDERS"] == "aws:5006"
    assert told["AWS_REGION"] == told["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert told["PULUMI_BACKEND_URL"].startswith(f"file://{layout.pulumi}")
    assert told["PULUMI_HOME"].startswith(f"{layout.root}/")  # so that a purge leaves no trace of it


def test_secrets_are_for_their_owner_alone_and_made_once(layout: Layout) -> None:
    control.make_secrets(layout)
    for file in (layout.passphrase, layout.ssh_key):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.root.stat().st_mode) == 0o700
    key, passphrase = layout.ssh_key.read_bytes(), layout.passphrase.read_text()
    assert load_ssh_private_key(key, password=None)
    assert layout.ssh_key.with_suffix(".pub").read_text().startswith("ssh-ed25519 ")
    control.make_secrets(layout)
    assert (layout.ssh_key.read_bytes(), layout.passphrase.read_text()) == (key, passphrase)


def test_too_little_room_is_one_clear_sentence(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "run", lambda _argv: "/var/lib/containers/storage\n")
    monkeypatch.setattr(tools, "free_gib", lambda _folder: 1.25)
    with pytest.raises(WorkbenchError, match=r"needs 6 GiB free .* there are 1.2 GiB"):
        tools.check_room(layout)


def test_missing_tools_are_named_where_there_is_no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda _command: None)
    monkeypatch.setattr(tools.os, "geteuid", lambda: 0)
    with pytest.raises(WorkbenchError, match=r"podman.*no apt-get"):
        tools.ensure_tools(print)


def test_without_root_the_lab_says_that_it_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.os, "geteuid", lambda: 1000)
    with pytest.raises(WorkbenchError, match="needs root"):
        tools.ensure_tools(print)


def test_what_is_installed_is_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"apt-get", "ip", "nft", "mmdebstrap", "iptables", "losetup", "nsenter", "mkfs.ext4", "ssh"}
    monkeypatch.setattr(tools.shutil, "which", lambda command: command if command in present else None)
    monkeypatch.setattr(tools.os, "geteuid", lambda: 0)
    ran: list[tuple[str, ...]] = []
    said: list[str] = []
    monkeypatch.setattr(tools, "apt", lambda *arguments: ran.append(arguments))
    tools.ensure_tools(said.append)
    assert "podman" in said[0]
    assert ran[-1][0] == "install"
    assert {"podman", "runc"} <= set(ran[-1])
    assert "mmdebstrap" not in ran[-1]
