"""Programs of others that measurements run: in an environment of their own, as uv.lock has them."""

import os
import subprocess
from pathlib import Path

from workbench.stack import ROOT

ENVIRONMENT = ROOT / ".cache" / "bench-environment"


def program(name: str) -> Path:
    """One of the programs that the group `bench` of pyproject.toml brings; installed first, where it is missing."""
    uv = ROOT / ".cache" / "uv" / "bin" / "uv"
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT), "UV_PYTHON_DOWNLOADS": "never"}
    environment |= {"UV_CACHE_DIR": str(ROOT / ".cache" / "uv-packages")}
    command = [str(uv), "sync", "--frozen", "--quiet", "--only-group", "bench"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return ENVIRONMENT / "bin" / name
