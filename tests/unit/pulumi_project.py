"""A Pulumi project of a test's own, with a stack `dev` in a backend of files, and the real CLI of `make setup`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
CLI = shutil.which("pulumi", path=f"{COMMANDS}{os.pathsep}{os.environ['PATH']}")
needs_pulumi = pytest.mark.skipif(
    CLI is None and not os.environ.get("CI"), reason="needs the Pulumi CLI: `make setup` brings it"
)
PROJECT = """\
name: tiny
runtime:
  name: python
  options: {toolchain: uv, virtualenv: .venv}
"""


def environment(root: Path) -> dict[str, str]:
    """What `pulumi` has to be told of a project, and nothing of the user's own."""
    return {
        "PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{root}",
        "PULUMI_HOME": str(root / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "only of this test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`workbench`, in this process, takes it for its own."""
    for name, value in environment(root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("workbench.stack.ROOT", root)


def make(root: Path) -> None:
    """Makes it in an empty folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "Pulumi.yaml").write_text(PROJECT)
    made = pulumi(root, "stack", "init", "dev")
    assert made.returncode == 0, made.stderr


def pulumi(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the CLI there to its end."""
    return subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=root,
        env={**os.environ, **environment(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
