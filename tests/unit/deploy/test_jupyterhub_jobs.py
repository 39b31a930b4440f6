"""What counts as a job in a user's server: processes in the place of kernels and shells, real and made up."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from deploy.files import render

SERVER, KERNEL, SHELL = 10, 20, 30
LONG_AGO = datetime.now(UTC) - timedelta(days=3)


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The extension as a module; tornado is not installed here."""
    ioloop = ModuleType("tornado.ioloop")
    ioloop.PeriodicCallback = None  # type: ignore[attr-defined]
    for module in (ModuleType("tornado"), ioloop):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    made = ModuleType("workbench_jobs")
    exec(render("jupyterhub/workbench_jobs.py.j2", interval_seconds=60), made.__dict__)
    return made


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
    extension: Any, others: dict[int, int], found: dict[int, int | None]
) -> None:
    parents = {SERVER: 1, KERNEL: SERVER, SHELL: SERVER, **others}
    assert extension.jobs(parents, SERVER, {KERNEL, SHELL}) == found


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
    return SimpleNamespace(
        kernel_manager=SimpleNamespace(list_kernel_ids=lambda: list(manager), get_kernel=manager.__getitem__),
        web_app=SimpleNamespace(settings=settings),
        kernels=manager,
        shells=shells,
    )


def test_a_shell_with_a_job_is_active_and_one_without_is_not(extension: Any) -> None:
    """With real processes: two shells, one of which has a child that says nothing."""
    busy = subprocess.Popen(["sh", "-c", "sleep 60; true"])
    idle = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
    try:
        while not Path(f"/proc/{busy.pid}/task/{busy.pid}/children").read_text():
            time.sleep(0.01)
        app = server({"one that is starting": None}, {"busy": busy.pid, "idle": idle.pid})
        extension.note(app)
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
    extension: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, path: str
) -> None:
    file = tmp_path / "cgroup"
    file.write_text(text)
    extension.open = lambda _: file.open()
    assert extension.cgroup("self") == path
