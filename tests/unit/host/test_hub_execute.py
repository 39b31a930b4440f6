"""Notebooks of schedules: what is said where one ends before it is through.

nbclient, jupyter_client, nbformat and traitlets are stood in: the hub's environment has them, and this one has not. How
the real ones fail once their kernel is gone (AssertionError, DeadKernelError) was seen with nbclient 0.11.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench_hub import execute


class KernelFaultError(Exception):
    """What stands in for nbclient's and jupyter_client's errors."""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    names = {
        "nbformat": {"read": lambda path, as_version: {}, "write": lambda _, path: Path(path).touch()},
        "jupyter_client": {},
        "jupyter_client.kernelspec": {"NoSuchKernel": type("NoSuchKernel", (KernelFaultError,), {})},
        "nbclient": {},
        "nbclient.exceptions": {
            name: type(name, (KernelFaultError,), {}) for name in ("CellExecutionError", "DeadKernelError")
        },
        "traitlets": {},
        "traitlets.config": {"Config": dict},
    }
    for name, content in names.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    before = signal.getsignal(signal.SIGTERM)
    yield sys.modules["nbclient"]
    signal.signal(signal.SIGTERM, before)


def client(failure: Exception | None, ended: bool) -> type:
    class Client:
        def __init__(self, _: object, on_notebook_start: Any, **__: object) -> None:
            self.begin = on_notebook_start
            self.shutdown_kernel = "graceful"

        def execute(self) -> None:
            self.begin(notebook={})
            if ended:
                os.kill(os.getpid(), signal.SIGTERM)
                assert self.shutdown_kernel == "immediate"
            if failure:
                raise failure

    return Client


@pytest.mark.parametrize(
    ("failure", "ended", "said"),
    [
        (None, False, ""),
        (
            "DeadKernelError",
            False,
            "The kernel died, as it does where it takes more memory than its user may.",
        ),
        ("DeadKernelError", True, execute.ENDED),
        ("AssertionError", True, execute.ENDED),
        ("CellExecutionError", False, "why"),
    ],
)
def test_a_notebook_that_is_ended_is_not_said_to_have_taken_too_much(
    modules: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: str | None,
    ended: bool,
    said: str,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", "")
    kinds = {**vars(sys.modules["nbclient.exceptions"]), "AssertionError": AssertionError}
    error = kinds[failure]("why") if failure else None
    monkeypatch.setattr(modules, "NotebookClient", client(error, ended), raising=False)
    assert execute.main([str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")]) == (1 if said else 0)
    assert capsys.readouterr().err == (f"{said}\n" if said else "")
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]


def test_one_that_is_ended_before_it_has_a_kernel_says_so_too(
    modules: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sys.modules["nbformat"], "read", end)
    with pytest.raises(SystemExit, match="was ended before it was through"):
        execute.main([str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")])


def test_one_whose_output_cannot_be_kept_has_failed_and_leaves_no_part_of_it(
    modules: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object, path: Path) -> None:
        path.write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setattr(modules, "NotebookClient", client(None, ended=False), raising=False)
    monkeypatch.setattr(sys.modules["nbformat"], "write", full)
    assert execute.main([str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")]) == 1
    assert capsys.readouterr().err == (
        "The notebook with what its cells have put out could not be kept: No space left on device.\n"
    )
    assert list(tmp_path.iterdir()) == []
