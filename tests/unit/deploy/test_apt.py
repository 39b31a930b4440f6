"""Lists of packages and interrupted installations: our shell around apt, by this machine's own shell."""

import functools
import http.server
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import apt
from tests.needs import needs

JANUARY = 1640995200  # 2022
KEY, MIRROR = "workbench:mirrors.debian", "https://mirror.example/it's"


class Host:
    """This machine, with folders of the test's own and programs that a test stands in."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.lists = folder / "bin", folder / "lists"
        self.updated, self.sources = folder / "notes" / "updated", folder / "sources"
        for made in (self.bin, self.lists):
            made.mkdir()
        self.sources.touch()
        self.calls = folder / "calls"
        self.program("sleep", "")

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{script}\n')
        path.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            start_new_session=True,  # so that a test's program can kill all of it
        )

    def update(self) -> subprocess.CompletedProcess[str]:
        return self.run(apt.update_script({KEY: MIRROR}))

    def called(self, name: str) -> int:
        return len([line for line in self.calls.read_text().splitlines() if line.startswith(f"{name} ")])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    for name, path in {"LISTS": made.lists, "UPDATED": made.updated, "SOURCES": made.sources}.items():
        monkeypatch.setattr(apt, name, str(path))
    return made


def test_lists_are_fetched_once_and_again_where_they_are_old_or_from_elsewhere(host: Host) -> None:
    host.program("apt-get", "")
    for _ in range(2):
        assert host.update().returncode == 0
    assert host.called("apt-get") == 1
    past = time.time() - (apt.LISTS_HOURS + 1) * 3600
    os.utime(host.updated, (past, past))
    os.utime(host.sources, (past - 1, past - 1))
    host.update()
    assert host.called("apt-get") == 2
    future = time.time() + 60
    os.utime(host.sources, (future, future))
    host.update()
    assert host.called("apt-get") == 3


def test_an_update_that_is_killed_each_time_is_a_failure_and_counts_as_nothing(host: Host) -> None:
    host.program("apt-get", "echo Get:1; kill -9 $$")
    (host.lists / "archive_dists_x_InRelease").touch()
    (host.lists / "archive_dists_x_Packages").touch()
    done = host.update()
    assert done.returncode == 1
    assert done.stderr == "apt-get update ended with status 137 before it was through.\n"
    assert host.called("apt-get") == 3
    assert not host.updated.exists()
    assert [path.name for path in host.lists.iterdir()] == ["archive_dists_x_Packages"], "fetched anew then"
    host.program("apt-get", "")
    assert host.update().returncode == 0
    assert host.called("apt-get") == 4


def test_the_update_of_a_run_that_was_killed_is_begun_anew_by_the_next(host: Host) -> None:
    """The shell and what it runs are killed together, as where the host loses its power."""
    host.program("apt-get", f"touch {host.lists}/archive_dists_x_Release; kill -9 0")
    assert host.update().returncode != 0
    assert not host.updated.exists()
    host.program("apt-get", f"ls {host.lists}; echo E: stop; exit 100")
    assert "archive_dists_x_Release" not in host.update().stderr
    assert not list(host.lists.iterdir())


def test_an_update_that_fails_says_why_and_which_key_is_to_blame_and_leaves_the_lists(host: Host) -> None:
    (host.lists / "archive_dists_x_Release").touch()
    host.program(
        "apt-get", f"echo Get:1; echo \"E: The repository '{MIRROR} x' has no Release\" >&2; exit 100"
    )
    for _ in range(2):
        done = host.update()
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"E: The repository '{MIRROR} x' has no Release",
            f"{KEY} is {MIRROR}, which apt cannot use as a Debian archive.",
        ]
        assert not host.updated.exists()
    assert len(list(host.lists.iterdir())) == 1


def test_an_update_waits_for_another_one(host: Host) -> None:
    busy = host.bin / "busy"
    busy.touch()
    host.program("sleep", f"[ $(wc -l < {host.calls}) -lt 12 ] || rm -f {busy}")
    host.program(
        "apt-get", f"[ ! -e {busy} ] || {{ echo 'E: Could not get lock {host.lists}/lock'; exit 100; }}"
    )
    assert host.update().returncode == 0
    assert host.called("sleep") > 3


class Archive(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of an archive with one package, and the line of sources.list that names it."""
    root = tmp_path / "archive"
    root.mkdir()
    handler = functools.partial(Archive, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield root, f"deb [trusted=yes arch=amd64] http://127.0.0.1:{server.server_port} x main"
        server.shutdown()


def publish(root: Path, version: int) -> None:
    """The archive's lists as of a day in January."""
    packages = root / "dists/x/main/binary-amd64/Packages"
    packages.parent.mkdir(parents=True, exist_ok=True)
    packages.write_text(
        f"Package: tool\nVersion: {version}\nArchitecture: amd64\nFilename: tool.deb\nSize: 1\n"
    )
    said = subprocess.run(["sha256sum", packages], capture_output=True, text=True, check=True).stdout
    release = root / "dists/x/Release"
    release.write_text(
        f"Suite: x\nDate: Sat, 0{version} Jan 2022 00:00:00 UTC\nComponents: main\nArchitectures: amd64\n"
        f"SHA256:\n {said.split()[0]} {packages.stat().st_size} main/binary-amd64/Packages\n"
    )
    for path in (packages, release):
        os.utime(path, (JANUARY + version * 86400,) * 2)


@needs("apt-get")
def test_a_new_release_beside_old_lists_does_not_outlive_the_update_that_was_killed_there(
    host: Host, archive: tuple[Path, str], tmp_path: Path
) -> None:
    """By the real apt, which takes lists for those of the Release file that lies beside them."""
    root, source = archive
    (tmp_path / "sources.list").write_text(source)
    (host.lists / "partial").mkdir()
    (tmp_path / "partial").mkdir()
    options = {
        "Dir::State": tmp_path,
        "Dir::Cache": tmp_path,
        "Dir::Etc::sourcelist": tmp_path / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Acquire::http::Proxy": "DIRECT",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
        "Acquire::GzipIndexes": "false",
    }
    real = " ".join(["/usr/bin/apt-get", *(f"-o {key}={value}" for key, value in options.items())])
    host.program("apt-get", f'{real} "$@"')

    def known() -> str:
        (path,) = host.lists.glob("*_Packages")
        return path.read_text()

    publish(root, 1)
    assert host.update().returncode == 0, host.update().stderr
    before = known()
    publish(root, 2)
    host.updated.unlink()
    # It is killed with the new Release file in place, and the lists still the old ones.
    host.program("apt-get", f'{real} "$@"; kill -9 0')
    host.update()
    (path,) = host.lists.glob("*_Packages")
    path.write_text(before)
    os.utime(path, (JANUARY + 86400,) * 2)
    host.program("apt-get", f'{real} "$@"')
    assert host.update().returncode == 0
    assert "Version: 2" in known()


DPKG_LOCKED = "dpkg: error: dpkg frontend lock was locked by another process with pid 1"


def test_an_interrupted_installation_is_taken_up_once_another_dpkg_is_through(host: Host) -> None:
    busy = host.bin / "busy"
    busy.touch()
    host.program("sleep", f"[ $(wc -l < {host.calls}) -lt 6 ] || rm -f {busy}")
    host.program("dpkg", f"[ ! -e {busy} ] || {{ echo '{DPKG_LOCKED}' >&2; exit 2; }}")
    assert host.run(apt.configure_script()).returncode == 0
    assert host.called("dpkg") > 2


def test_a_dpkg_that_fails_is_not_tried_again_and_heard(host: Host) -> None:
    host.program("dpkg", "echo 'dpkg: error processing package x' >&2; exit 1")
    done = host.run(apt.configure_script())
    assert (done.returncode, done.stderr) == (1, "dpkg: error processing package x\n")
    assert host.called("dpkg") == 1


def test_dpkg_asks_nobody_anything(host: Host) -> None:
    host.program("dpkg", f'echo "$DEBIAN_FRONTEND" > {host.bin}/frontend')
    host.run(apt.configure_script())
    assert (host.bin / "frontend").read_text() == "noninteractive\n"


def test_the_shell_around_apt_is_sound() -> None:
    for script in (
        apt.update_script({}),
        apt.update_script({KEY: MIRROR}),
        apt.configure_script(),
        apt.Packages().command(["curl"]),
    ):
        subprocess.run(["sh", "-n", "-c", script], check=True)
