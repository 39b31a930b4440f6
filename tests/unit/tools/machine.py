"""A machine that the Pulumi CLI comes to. Its commands are stand-ins: small scripts on a PATH of the test's own."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench import ROOT

TOOLS = ROOT / "tools" / "pulumi"


def script(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class Machine:
    """A machine with a .venv of ours; nothing of the one that the tests run on is found."""

    def __init__(self, folder: Path, install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.install, self.monkeypatch = folder, install, monkeypatch
        self.venv, self.bin = folder / ".venv" / "bin", folder / "usr" / "bin"
        self.venv.mkdir(parents=True)
        (folder / ".venv" / "pyvenv.cfg").touch()
        monkeypatch.setattr(install, "COMMANDS", self.venv)
        monkeypatch.setenv("PATH", f"{self.venv}{os.pathsep}{self.bin}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        self.wanted = install.required("github.com/pulumi/pulumi/pkg/v3")
        self.kept = install.cache() / f"pulumi-{self.wanted}"

    def has(self, version: str, host: bool = True) -> None:
        """A `pulumi` of the machine's own that says its version."""
        script(self.bin / "pulumi", f"echo {version}" if version else "true")
        if host:
            script(self.bin / "pulumi-language-python")

    def brings(self, *, downloads: bool, host: bool = False) -> list[str]:
        """What `setup` would fetch is made here; gives back the ways that were gone."""
        gone = []

        def download(root: str, version: Any) -> None:
            gone.append("download")
            if not downloads:
                raise OSError("no such host")
            script(Path(root) / "bin" / "pulumi", f"echo v{version}")
            if host:
                script(Path(root) / "bin" / "pulumi-language-python", "echo the official one")

        def build(kept: Path, _: Any) -> None:
            gone.append("build")
            script(kept / "bin" / "pulumi", "echo built")

        self.monkeypatch.setattr(self.install.PulumiCommand, "install", download)
        self.monkeypatch.setattr(self.install, "build", build)
        return gone
