"""The team's environments of Python, built by uv itself from an index of the tests' own."""

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import environments as deploy
from tests.standins import index
from tests.unit.host.team_folders import GEO, in_use
from workbench import team
from workbench.settings import Mirrors, Services
from workbench_host import python_versions
from workbench_host.team import builder, places, program, pythons
from workbench_host.tools import FailureError

BUILD = pythons.build


def test_another_python_than_the_hosts_is_one_of_uvs_builds_and_one_that_there_is_not_names_the_key(
    opt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(version: str, mirror: str | None, builds: Path) -> None:
        asked.append((version, mirror, builds))
        for release in ("3.9.9", "3.9.20"):  # by number, not by letter
            (builds / f"cpython-{release}-linux-x86_64-gnu" / "bin").mkdir(parents=True, exist_ok=True)
        link = builds / "cpython-3.9-linux-x86_64-gnu"
        link.unlink(missing_ok=True)
        link.symlink_to("cpython-3.9.9-linux-x86_64-gnu")

    monkeypatch.setattr(python_versions, "fetch", fetch)
    one = places.Wanted("geo", "Python", "3.9", "a" * 12, "", "workbench:environments[0]")
    found = pythons.interpreter(one, "http://mirror.example")
    assert asked == [("3.9", "http://mirror.example", pythons.BUILDS)]
    assert found == f"{pythons.BUILDS}/cpython-3.9.20-linux-x86_64-gnu/bin/python3"
    host = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert pythons.interpreter(dataclasses.replace(one, version=host), None) == "/usr/bin/python3"

    def refuse(version: str, mirror: str | None, builds: Path) -> None:
        raise FailureError(
            f"There is no build of Python {version} (services.python.versions); `uv` shows those."
        )

    monkeypatch.setattr(python_versions, "fetch", refuse)
    with pytest.raises(FailureError, match=r"no build of Python 3.9 \(workbench:environments\[0\].python\)"):
        pythons.interpreter(one, None)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of an index on loopback, and its folder."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple", folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def with_uv(opt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds are uv's; what is to run in a unit runs here."""

    def run(folder: Path, command_: list[str], variables: dict[str, str]) -> None:
        done = subprocess.run(
            [str(part) for part in command_],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise FailureError(f"{done.stdout}\n{done.stderr}")

    monkeypatch.setattr(builder, "run", run)
    monkeypatch.setattr(pythons, "build", BUILD)
    monkeypatch.setattr(pythons, "UV", Path(sys.executable).with_name("uv"))
    monkeypatch.setattr(pythons, "interpreter", lambda wanted, mirror: sys.executable)


def have_of(address: str, *pins: str, build: bool = False) -> int:
    services = {"base": {"buildTools": build}}
    lock = team.Lock(GEO, team.header(GEO, "") + "".join(pins))
    mirrors = Mirrors.model_validate({"pypi": address})
    places.WANTED.write_text(deploy.wanted([lock], mirrors, Services.model_validate(services)))
    return program.main([])


def test_an_environment_is_built_from_its_lock_alone_and_nothing_is_kept_of_the_build(
    opt: Path, web: tuple[str, Path], with_uv: None
) -> None:
    one, other = index.wheel("one", "1.0"), index.wheel("other", "2.0")
    index.write(web[1], one, other)
    assert have_of(web[0], one.pin, other.pin) == 0
    code = "import one, other; print(one.VERSION, other.VERSION)"
    said = subprocess.run(
        [opt / "geo" / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0 2.0\n"
    assert list(opt.glob("geo/lib/python3*/site-packages/__pycache__/one.*.pyc"))
    assert not builder.CACHE.exists()
    told_ = places.marker(opt / in_use(opt))
    assert told_ is not None
    assert told_.packages == 2


@pytest.mark.parametrize("command", ["pip", "pip3"])
def test_pip_in_it_installs_nothing_elsewhere_and_says_what_to_do(
    opt: Path, web: tuple[str, Path], with_uv: None, command: str
) -> None:
    """Where the lock has no pip. That of the default environment is a stand-in here, which says what it was asked."""
    one = index.wheel("one", "1.0")
    index.write(web[1], one)
    assert have_of(web[0], one.pin) == 0
    default = places.DEFAULT_LINK / "bin" / "pip"
    default.parent.mkdir(parents=True, exist_ok=True)
    default.write_text('#!/bin/sh\necho "$@"\n')
    default.chmod(0o755)
    pip = opt / "geo" / "bin" / command
    refused = subprocess.run([pip, "install", "six"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("geo is the team's, and has the packages of its lock: ")
    assert "workbench-project NAME" in refused.stderr
    listed = subprocess.run([pip, "list"], capture_output=True, text=True, check=True)
    assert listed.stdout == f"--python {opt / in_use(opt)}/bin/python list\n"


def test_pip_of_a_lock_is_left_as_it_is(opt: Path, web: tuple[str, Path], with_uv: None) -> None:
    own = index.wheel("pip", "99.0", script="pip")
    index.write(web[1], own)
    assert have_of(web[0], own.pin) == 0
    assert "python" in (opt / "geo" / "bin" / "pip").read_text().splitlines()[0]
    assert not (opt / "geo" / "bin" / "pip3").exists()


def test_an_archive_with_another_sha256_is_told_and_the_old_environment_stays(
    opt: Path, web: tuple[str, Path], with_uv: None, capsys: pytest.CaptureFixture[str]
) -> None:
    one = index.wheel("one", "1.0")
    index.write(web[1], one)
    assert have_of(web[0], one.pin) == 0
    before = in_use(opt)
    assert have_of(web[0], one.pin.replace(one.sha256, "0" * 64)) == 1
    said = capsys.readouterr().err
    assert "the environment geo could not be built: one==1.0 has another sha256 than its lock says" in said
    assert said.rstrip().endswith("; the one before stays in use.")
    assert len(said.splitlines()) == 1
    assert in_use(opt) == before


def test_a_package_that_is_source_alone_is_built_where_compilers_are_asked_for(
    opt: Path, web: tuple[str, Path], with_uv: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = index.sdist("source", "1.0", f"open({str(tmp_path / 'ran')!r}, 'w')")
    index.write(web[1], source)
    assert have_of(web[0], source.pin) == 1
    assert "source is published as source alone, which is built where services.base.buildTools is true" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "ran").exists()
    assert have_of(web[0], source.pin, build=True) == 0
    assert (tmp_path / "ran").exists()


def test_a_command_that_would_hide_one_of_the_systems_is_refused_but_for_pythons_own(
    opt: Path,
    web: tuple[str, Path],
    with_uv: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usr = (tmp_path / "usr" / "bin", tmp_path / "usr" / "sbin")
    monkeypatch.setattr(pythons, "SYSTEM", usr)
    for folder in usr:
        folder.mkdir(parents=True)
    (usr[0] / "sudo").write_bytes(b"\x7fELF")
    (usr[0] / "python3").write_bytes(b"\x7fELF")
    (usr[0] / "normalizer").write_text("#!/usr/bin/python3\n")
    (usr[1] / "ufw").write_text("#! /usr/bin/python3\n")
    for name, is_refused in (("sudo", True), ("ufw", True), ("normalizer", False), ("pip", False)):
        one = index.wheel("one", "1.0", name, script=name)
        index.write(web[1], one)
        assert have_of(web[0], one.pin) == is_refused
        said = capsys.readouterr().err
        assert (
            f"a package brings a command called {name}, which would be run in place of" in said
        ) == is_refused
        assert (opt / "geo").exists() != is_refused


def test_commands_that_are_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to("/usr/bin")
    with pytest.raises(FailureError, match="bin is a link"):
        pythons.refuse_hiding(tmp_path / "bin")


def test_a_package_that_the_index_does_not_have_and_an_index_that_is_away_are_a_sentence_each(
    opt: Path, web: tuple[str, Path], with_uv: None, capsys: pytest.CaptureFixture[str]
) -> None:
    index.write(web[1], index.wheel("one", "1.0"))
    assert have_of(web[0], index.wheel("none", "1.0").pin) == 1
    said = capsys.readouterr().err
    assert "none was not found in the package registry" in said
    assert len(said.splitlines()) == 1
    assert have_of("http://me:secret@127.0.0.1:9/simple", index.wheel("none", "1.0").pin) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:9" in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1
    assert list(opt.glob("geo*")) == []


def test_an_address_with_a_password_is_in_no_command_line_and_no_file_that_others_may_read(
    opt: Path, web: tuple[str, Path], with_uv: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = index.wheel("one", "1.0")
    seen: list[str] = []

    def look(folder: Path, command_: list[str], variables: dict[str, str]) -> None:
        seen.extend([*map(str, command_), *variables.values()])
        for path in builder.CACHE.iterdir():
            assert path.stat().st_mode & 0o077 == 0
        assert builder.CACHE.stat().st_mode & 0o077 == 0
        assert "secret" in (builder.CACHE / "uv.toml").read_text()
        raise FailureError("enough")

    monkeypatch.setattr(builder, "run", look)
    assert have_of("http://me:secret@127.0.0.1:9/simple", one.pin) == 1
    assert not any("secret" in word for word in seen)
