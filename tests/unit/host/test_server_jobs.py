"""What counts as a job in a user's server: processes in the place of kernels and shells, real and made up."""

import os
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench_server import jobs

SERVER, KERNEL, SHELL = 10, 20, 30
LONG_AGO = datetime.now(UTC) - timedelta(days=3)


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({}, {}),
        ({41: SHELL}, {41: SHELL}),
        ({41: SHELL, 42: 41}, {41: SHELL, 42: SHELL}),
        ({41: KERNEL}, {41: KERNEL}),
        ({41: 1}, {41: None}),
        ({41: SERVER, 42: 41}, {}),
    ],
    ids=["nothing", "in a shell", "deeper", "of a kernel", "left to itself", "a helper of the server"],
)
def test_a_job_is_what_kernels_and_shells_have_started(
    others: dict[int, int], found: dict[int, int | None]
) -> None:
    parents = {SERVER: 1, KERNEL: SERVER, SHELL: SERVER, **others}
    assert jobs.jobs(parents, SERVER, {KERNEL, SHELL}) == found


def server(kernels: dict[str, int | None], terminals: dict[str, int]) -> Any:
    """Jupyter Server as far as the extension looks at it."""
    manager = {
        name: SimpleNamespace(provisioner=SimpleNamespace(pid=pid), last_activity=LONG_AGO)
        for name, pid in kernels.items()
    }
    shells = {
        name: SimpleNamespace(ptyproc=SimpleNamespace(pid=pid), last_activity=LONG_AGO)
        for name, pid in terminals.items()
    }
    settings: dict[str, Any] = {
        "terminals_available": True,
        "terminal_manager": SimpleNamespace(terminals=shells),
    }
    kernel_manager = SimpleNamespace(
        list_kernel_ids=lambda: list(manager), get_kernel=manager.__getitem__, cull_interval=60
    )
    return SimpleNamespace(
        kernel_manager=kernel_manager,
        web_app=SimpleNamespace(settings=settings),
        kernels=manager,
        shells=shells,
    )


def test_a_shell_with_a_job_is_active_and_one_without_is_not() -> None:
    """With real processes: two shells, one of which has a child that says nothing."""
    busy = subprocess.Popen(["sh", "-c", "sleep 60; true"])
    idle = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
    try:
        while not Path(f"/proc/{busy.pid}/task/{busy.pid}/children").read_text():
            time.sleep(0.01)
        app = server({"one that is starting": None}, {"busy": busy.pid, "idle": idle.pid})
        jobs.note(app)
        assert app.shells["busy"].last_activity > LONG_AGO
        assert app.shells["idle"].last_activity == LONG_AGO
        assert app.kernels["one that is starting"].last_activity == LONG_AGO
        assert app.web_app.settings["workbench_jobs_last_activity"] > LONG_AGO
    finally:
        subprocess.run(["pkill", "--parent", str(busy.pid)], check=False)
        for process in (busy, idle):
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("text", "path"),
    [("0::/user.slice/a\n", "/user.slice/a"), ("4:cpu:/\n1:name=systemd:/b:c\n0::/\n", "/b:c")],
)
def test_the_cgroup_is_systemds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, path: str
) -> None:
    file = tmp_path / "cgroup"
    file.write_text(text)
    monkeypatch.setattr(jobs, "open", lambda _: file.open(), raising=False)
    assert jobs.cgroup("self") == path


def test_systemd_is_told_how_many_kernels_are_busy_whenever_that_changes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(0.2)
        status = jobs.Status(str(tmp_path / "notify"))
        busy, idle, starting = (
            SimpleNamespace(execution_state=state) for state in ("busy", "idle", "starting")
        )
        for found, text in (([], "0 of 0"), ([busy, idle, starting, SimpleNamespace()], "1 of 4")):
            status.tell(found)
            status.tell(found)
            assert systemd.recv(100).decode() == f"STATUS={text} kernels busy"
            with pytest.raises(TimeoutError):
                systemd.recv(100)
    status.tell([busy])  # nobody is there any more


def test_what_the_server_starts_does_not_speak_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[float] = []
    callback = SimpleNamespace(start=lambda: None)
    monkeypatch.setattr(
        jobs, "PeriodicCallback", lambda _, milliseconds: started.append(milliseconds) or callback
    )
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    jobs._load_jupyter_server_extension(server({}, {}))
    assert "NOTIFY_SOCKET" not in os.environ
    jobs._load_jupyter_server_extension(server({}, {}))
    assert started == [60000, 2000, 60000]
