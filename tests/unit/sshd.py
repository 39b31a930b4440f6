"""A real sshd on loopback for the user that runs the tests, and a client whose ~/.ssh is the test's own.

`ssh` reads the configuration below the user's real home, whatever HOME says: the one on the PATH here is a script that
names another file, and runs the real one.
"""

import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needs import SSHD

USER = getpass.getuser()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_key(path: Path, passphrase: str = "") -> str:
    """Makes a key pair; gives back its public half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def prepare() -> None:
    """The folder that sshd does not begin without, where this is root, whom it asks for it."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


@dataclass
class Server:
    """An sshd; `log` says who came, with which key."""

    port: int
    log: Path

    def logins(self) -> int:
        """How many connections were let in."""
        return len(re.findall("^Accepted publickey", self.log.read_text(), re.MULTILINE))


@contextmanager
def serving(folder: Path, keys: list[str], **options: str) -> Iterator[Server]:
    """An sshd that lets this user in with these keys, run in this folder, with options of sshd_config(5) besides."""
    if os.geteuid() == 0:
        prepare()
    folder.mkdir(parents=True)
    make_key(folder / "host")
    (folder / "keys").write_text("".join(f"{key}\n" for key in keys))
    server = Server(free_port(), folder / "log")
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": str(server.port),
        "HostKey": str(folder / "host"),
        "AuthorizedKeysFile": str(folder / "keys"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        **options,
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    command = [str(SSHD), "-D", "-f", str(folder / "config"), "-E", str(server.log)]
    process = subprocess.Popen(command)
    try:
        while "listening on" not in (server.log.read_text() if server.log.exists() else ""):
            assert process.poll() is None, server.log.read_text()
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait()


class Client:
    """The user's own OpenSSH, with a home of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = folder / "home", monkeypatch
        self.config = self.home / ".ssh" / "config"
        self.config.parent.mkdir(parents=True)
        self.config.write_text(
            "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"
            f"IdentityFile {self.home}/.ssh/id_ed25519\n"
        )
        script = folder / "bin" / "ssh"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{self.config}" "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("SHELL", "/bin/sh")
        for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "WORKBENCH_SSH_KEY"):
            monkeypatch.delenv(name, raising=False)

    def configure(self, text: str) -> None:
        """Puts a section in front of what ~/.ssh/config has: of each option the first counts."""
        self.config.write_text(f"{text}\nHost *\n{self.config.read_text()}")

    @contextmanager
    def agent(self, *keys: Path) -> Iterator[None]:
        """An ssh-agent that holds these keys, in this order."""
        path = self.home / "agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        try:
            while not path.exists():
                time.sleep(0.02)
            self._patch.setenv("SSH_AUTH_SOCK", str(path))
            for key in keys:
                subprocess.run(["ssh-add", "-q", str(key)], check=True)
            yield
        finally:
            process.terminate()
            process.wait()
            self._patch.delenv("SSH_AUTH_SOCK", raising=False)


def as_known(config: str) -> str:
    """What the sshd of this machine, which may be older than the host's (10), can know of our configuration."""
    said = subprocess.run([str(SSHD), "-V"], capture_output=True, text=True, check=False).stderr
    version = re.search(r"OpenSSH_(\d+)\.", said)
    if version and int(version[1]) >= 10:
        return config
    config = re.sub(r"^PerSourcePenalties .*$", "", config, flags=re.MULTILINE)
    return config.replace("mlkem768x25519-sha256,sntrup761x25519-sha512,", "")
