"""The team's environments on temporary folders: what is listed is built by a stand-in, which makes one file."""

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from deploy import environments as deploy
from workbench import team
from workbench.settings import Environment, Mirrors, Services
from workbench_host import kernels, processes, python_versions
from workbench_host.team import builder, places, program, pythons, rs

OLDEST, OLDER, FORMER, NOW = (
    f"six==1.{minor}.0 \\\n    --hash=sha256:{'a' * 64}\n" for minor in range(14, 18)
)
GEO = Environment.model_validate({"name": "geo", "python": "3.13", "requirements": "geo.txt"})
STATS = Environment.model_validate({"name": "stats", "r": "4.5", "packages": ["tiny"]})
RENV = json.dumps({"R": {"Version": "4.5", "Repositories": [{"URL": "http://cran.example"}]}, "Packages": {}})


def make(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """/opt/environments, kernels and /proc as temporary ones; no account, no unit. The first of them."""
    patch.setattr(places, "ROOT", folder / "opt")
    patch.setattr(places, "DEFAULT_LINK", folder / "workbench" / "python")
    patch.setattr(builder, "ROOT", folder / "opt")
    patch.setattr(builder, "CACHE", folder / "opt" / ".cache")
    patch.setattr(builder, "ACCOUNT", pwd.getpwuid(os.getuid()).pw_name)
    patch.setattr(builder, "stop", lambda: None)
    patch.setattr(builder, "hand_over", lambda folder: None)
    patch.setattr(places, "WANTED", folder / "environments.json")
    patch.setattr(program, "RUNNING", folder / "lock")
    patch.setattr(pythons, "BUILDS", folder / "opt" / ".builds")
    patch.setattr(python_versions, "CACHE", folder / "cache")
    patch.setattr(kernels, "KERNELS", folder / "kernels")
    patch.setattr(processes, "PROCESSES", folder / "proc")
    (folder / "proc").mkdir()
    patch.setattr(pythons, "build", build)
    patch.setattr(rs, "build", build)
    return folder / "opt"


def build(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
    wanted.folder.mkdir(parents=True)  # fails on one that was left half made
    (wanted.folder / "whole").touch()
    program_ = f"{wanted.folder}/bin/python" if wanted.language == "Python" else "/usr/bin/R"
    return places.Marker(wanted.name, wanted.language, wanted.version, program_, 1)


def told(*locks: tuple[Environment, str]) -> str:
    made = [team.Lock(one, (team.header(one, "six\n") if one.python else "") + text) for one, text in locks]
    return deploy.wanted(made, Mirrors(), Services())


def have(*locks: tuple[Environment, str], check: bool = False) -> int:
    places.WANTED.write_text(told(*locks))
    return program.main(["--check"] if check else [])


def digest(lock: str, environment: Environment = GEO) -> str:
    return team.Lock(environment, team.header(environment, "six\n") + lock).digest


def in_use(opt: Path, name: str = "geo") -> str:
    return (opt / name).readlink().name


def kernel(name: str = "geo") -> dict[str, Any]:
    described: dict[str, Any] = json.loads((kernels.KERNELS / f"env-{name}" / "kernel.json").read_text())
    return described


def running(pid: int, folder: Path, source: str = "maps") -> Path:
    process = processes.PROCESSES / str(pid)
    process.mkdir()
    for name in ("cmdline", "maps", "environ"):
        (process / name).write_bytes(b"")
    (process / source).write_bytes(f"R_LIBS={folder}/library\0".encode())
    return process
