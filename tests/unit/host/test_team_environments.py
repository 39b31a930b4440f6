"""The program that sees to the team's environments, on temporary folders; a build makes one file, or is uv's own."""

import dataclasses
import io
import json
import os
import pwd
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import environments as deploy
from tests.standins import index
from workbench import team
from workbench.settings import Environment, Mirrors, Services
from workbench_host import kernels, processes, python_versions
from workbench_host.team import builder, command, places, program, pythons, rs, usage
from workbench_host.tools import FailureError

OLDEST, OLDER, FORMER, NOW = (
    f"six==1.{minor}.0 \\\n    --hash=sha256:{'a' * 64}\n" for minor in range(14, 18)
)
GEO = Environment.model_validate({"name": "geo", "python": "3.13", "requirements": "geo.txt"})
STATS = Environment.model_validate({"name": "stats", "r": "4.5", "packages": ["tiny"]})
RENV = json.dumps({"R": {"Version": "4.5", "Repositories": [{"URL": "http://cran.example"}]}, "Packages": {}})
BUILD, BUILD_OF_R = pythons.build, rs.build


class Killed(BaseException):
    """As sudden as SIGKILL."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/opt/environments, kernels and /proc as temporary ones; no account, no unit."""
    monkeypatch.setattr(places, "ROOT", tmp_path / "opt")
    monkeypatch.setattr(places, "DEFAULT_LINK", tmp_path / "workbench" / "python")
    monkeypatch.setattr(builder, "ROOT", tmp_path / "opt")
    monkeypatch.setattr(builder, "CACHE", tmp_path / "opt" / ".cache")
    monkeypatch.setattr(builder, "ACCOUNT", pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(builder, "stop", lambda: None)
    monkeypatch.setattr(builder, "hand_over", lambda folder: None)
    monkeypatch.setattr(places, "WANTED", tmp_path / "environments.json")
    monkeypatch.setattr(program, "RUNNING", tmp_path / "lock")
    monkeypatch.setattr(pythons, "BUILDS", tmp_path / "opt" / ".builds")
    monkeypatch.setattr(python_versions, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(kernels, "KERNELS", tmp_path / "kernels")
    monkeypatch.setattr(processes, "PROCESSES", tmp_path / "proc")
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(pythons, "build", build)
    monkeypatch.setattr(rs, "build", build)
    return tmp_path / "opt"


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


def in_use(root: Path, name: str = "geo") -> str:
    return (root / name).readlink().name


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


def test_an_environment_of_each_language_is_a_kernel_that_names_its_own_folder(root: Path) -> None:
    assert have((GEO, NOW), (STATS, RENV), check=True) == 3
    assert have((GEO, NOW), (STATS, RENV)) == 0
    assert have((GEO, NOW), (STATS, RENV), check=True) == 0
    folder = root / f"geo-{digest(NOW)}"
    assert kernel()["argv"][0] == f"{folder}/bin/python"
    assert kernel()["env"]["PATH"] == f"{folder}/bin:${{PATH}}"
    assert kernel()["display_name"] == "geo (Python 3.13)"
    stats = kernel("stats")
    assert (stats["argv"][0], stats["language"], stats["display_name"]) == (
        "/usr/bin/R",
        "R",
        "stats (R 4.5)",
    )
    assert stats["env"]["R_LIBS"] == f"{root / in_use(root, 'stats')}/library"
    assert stats["env"]["R_LIBS_USER"] == "~/R/environments/stats-4.5"
    assert "PATH" not in stats["env"], "Debian's R is on the PATH, behind the data science Python"


def test_a_changed_lock_is_another_folder_and_two_former_ones_are_kept(root: Path) -> None:
    for lock in (OLDEST, OLDER, FORMER, NOW):
        assert have((GEO, lock)) == 0
        time.sleep(0.02)  # longer than a tick of the file system's clock
    assert in_use(root) == f"geo-{digest(NOW)}"
    assert [path.name[-12:] for path in program.former("geo")] == [digest(FORMER), digest(OLDER)]
    assert have((GEO, NOW), check=True) == 0


def test_a_reverted_lock_is_a_switch_and_no_build(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, FORMER))
    have((GEO, NOW))

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(pythons, "build", refuse)
    assert have((GEO, FORMER), check=True) == 3
    assert capsys.readouterr().out == f"switch to the environment geo (Python 3.13, {digest(FORMER)})\n"
    assert have((GEO, FORMER)) == 0
    assert in_use(root) == f"geo-{digest(FORMER)}"
    assert kernel()["argv"][0] == f"{root}/geo-{digest(FORMER)}/bin/python"
    assert [path.name[-12:] for path in program.former("geo")] == [digest(NOW)]


@pytest.mark.parametrize("source", ["cmdline", "maps", "environ"])
def test_what_something_runs_from_stays_until_nothing_does(root: Path, source: str) -> None:
    have((GEO, OLDEST))
    process = running(4711, root / f"geo-{digest(OLDEST)}", source)
    for lock in (OLDER, FORMER, NOW):
        have((GEO, lock))
    assert (root / f"geo-{digest(OLDEST)}" / "whole").exists()
    assert have((GEO, NOW), check=True) == 0, "there is nothing that could be done now"
    (process / source).write_bytes(b"")
    assert have((GEO, NOW), check=True) == 3
    assert have((GEO, NOW)) == 0
    assert not (root / f"geo-{digest(OLDEST)}").exists()


def test_a_process_that_has_files_of_several_mapped_holds_each(root: Path) -> None:
    folders = [root / f"geo-{digest(lock)}" for lock in (OLDEST, OLDER)]
    process = running(4711, folders[0])
    (process / "maps").write_text("".join(f"7f r-xp 08:01 1 {path}/lib/x.so\n" for path in folders))
    assert usage.used([root]) == {path: Counter({os.getuid(): 1}) for path in folders}


def test_one_that_cannot_be_built_stays_as_it_was_and_the_others_are_seen_to(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, FORMER))

    def fail(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        build(wanted, config)
        raise FailureError("the disk is full: rootVolumeGib makes it larger")

    monkeypatch.setattr(pythons, "build", fail)
    assert have((GEO, NOW), (STATS, RENV)) == 1
    assert capsys.readouterr().err == (
        "workbench:environments[0]: the environment geo could not be built: the disk is full: rootVolumeGib makes it "
        "larger; the one before stays in use.\n"
    )
    assert in_use(root) == f"geo-{digest(FORMER)}"
    assert kernel()["argv"][0] == f"{root}/geo-{digest(FORMER)}/bin/python"
    assert not (root / f"geo-{digest(NOW)}").exists(), "a full disk has its room back"
    assert in_use(root, "stats").startswith("stats-")
    assert have((GEO, NOW), (STATS, RENV), check=True) == 3


@pytest.mark.parametrize("step", ["build", "hand_over", "mark", "symlink_to", "rename", "kernel"])
def test_a_run_killed_at_any_step_leaves_the_old_one_in_use_and_the_next_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    have((GEO, FORMER))

    def killed(*_: object, **__: object) -> None:
        raise Killed

    def half(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        build(wanted, config)
        raise Killed

    with monkeypatch.context() as patch:
        for target, name, what in (
            (pythons, "build", half),
            (builder, "hand_over", killed),
            (places, "mark", killed),
            (Path, "symlink_to", killed),
            (Path, "rename", killed),
            (kernels, "add", killed),
        ):
            if name == step or (step == "kernel" and name == "add"):
                patch.setattr(target, name, what)
        with pytest.raises(Killed):
            have((GEO, NOW))
    expected = NOW if step == "kernel" else FORMER
    assert (root / "geo" / "whole").exists()
    assert in_use(root) == f"geo-{digest(expected)}"
    assert kernel()["argv"][0] == f"{root}/geo-{digest(FORMER)}/bin/python"
    assert have((GEO, NOW), check=True) == 3
    left = root / f"geo-{digest(NOW)}"
    if left.exists() and places.marker(left) is None:
        builder.prepare(left)  # as each build begins
        left.rmdir()
    assert have((GEO, NOW)) == 0
    assert in_use(root) == f"geo-{digest(NOW)}"


def test_folders_nested_deeper_than_python_goes_keep_no_later_build_from_its_name(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    # Where this fails, pytest could not remove them either.
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(root)], check=True))

    def nest(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        builder.prepare(wanted.folder)
        for top in (wanted.folder, builder.CACHE):
            here = os.open(top, os.O_PATH)
            for _ in range(3000):
                os.mkdir("d", dir_fd=here)
                deeper = os.open("d", os.O_PATH, dir_fd=here)
                os.close(here)
                here = deeper
            os.close(here)
        raise FailureError("enough")

    monkeypatch.setattr(pythons, "build", nest)
    for _ in range(2):
        assert have((GEO, NOW)) == 1
        assert capsys.readouterr().err.endswith("could not be built: enough.\n")
    assert have() == 0
    assert list(root.iterdir()) == []


def test_what_of_an_earlier_build_cannot_be_removed_is_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.prepare(root / "geo-0123456789ab")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(FailureError, match="discarded cannot be removed: it has what an earlier build left"):
        builder.prepare(root / "geo-0123456789ab")


@pytest.mark.parametrize("of_r", ["{}", '{"Repositories": []}', "[]", '{"Repositories": [{"URL": 4}]}'])
def test_a_lock_that_cannot_be_understood_stops_no_other_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of_r: str
) -> None:
    monkeypatch.setattr(rs, "build", BUILD_OF_R)
    monkeypatch.setattr(rs, "program", lambda version: Path("/usr/bin/R"))
    assert have((STATS, f'{{"R": {of_r}, "Packages": {{}}}}'), (GEO, NOW)) == 1
    said = capsys.readouterr().err
    assert "the environment stats could not be built: its lock is none that `workbench lock` makes (" in said
    assert len(said.splitlines()) == 1
    assert (root / "geo" / "whole").exists()


def test_of_what_a_build_says_the_end_is_kept_and_no_more() -> None:
    program_ = (
        "import sys\nfor _ in range(2**20): print('https://me:secret@pypi.example/' + 'x' * 30)\nsys.stdout.flush()\n"
        "print('the reason', file=sys.stderr)\nsys.exit(3)"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, said = builder.listen([sys.executable, "-c", program_])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024, "KiB"
    assert status == 3
    assert said.endswith("x\nthe reason\n")
    assert said.startswith("https://me:secret@")
    assert builder.KEPT_BYTES - 100 < len(said) <= builder.KEPT_BYTES


def test_a_marker_that_the_build_itself_wrote_does_not_count(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have((GEO, NOW))
    folder = root / f"geo-{digest(NOW)}"
    assert places.marker(folder) is not None
    owner = root.stat().st_uid
    real = Path.lstat

    class Other:
        st_uid = owner + 1

    monkeypatch.setattr(Path, "lstat", lambda path: Other() if path.name == places.MARKER else real(path))
    assert places.marker(folder) is None


def test_what_is_no_longer_listed_goes_with_its_kernel_and_others_kernels_stay(root: Path) -> None:
    others = kernels.KERNELS / "python3" / "kernel.json"
    others.parent.mkdir(parents=True)
    others.write_text("{}")
    have((GEO, NOW))
    process = running(4711, root / f"geo-{digest(NOW)}")
    assert have(check=True) == 3
    assert have() == 0
    assert not (kernels.KERNELS / "env-geo").exists()
    assert (root / f"geo-{digest(NOW)}" / "whole").exists(), "somebody runs from it"
    assert not (root / "geo").is_symlink()
    (process / "maps").write_bytes(b"")
    assert have() == 0
    assert [path.name for path in root.iterdir()] == []
    assert others.exists()


def test_the_default_environments_are_changed_in_their_own_places(root: Path) -> None:
    default = GEO.model_copy(update={"name": "python"})
    for lock in (FORMER, NOW):
        assert have((default, lock), (STATS.model_copy(update={"name": "r"}), RENV)) == 0
        folder = root / f"python-{digest(lock)}"
        assert places.DEFAULT_LINK.readlink() == folder
        described = json.loads((kernels.KERNELS / "python3" / "kernel.json").read_text())
        assert described["argv"][0] == f"{folder}/bin/python"
        assert described["display_name"] == "Python 3 (data science)"
    assert [path.name for path in kernels.KERNELS.iterdir()] == ["python3"], (
        "R's default kernel is Debian's R's"
    )
    assert (root / "r" / "whole").exists()
    places.DEFAULT_LINK.unlink()
    places.DEFAULT_LINK.symlink_to("python-of-the-workbench")
    assert have((default, NOW), check=True) == 3
    (places.DEFAULT_LINK).unlink()
    assert have() == 0
    assert (kernels.KERNELS / "python3").exists(), "the deploy sees to that again"


def test_a_run_waits_for_another_longer_than_a_build_may_take() -> None:
    assert program.WAIT_SECONDS > builder.HOURS * 3600


def test_files_of_rs_default_stay_for_a_week_since_no_process_says_that_it_has_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = STATS.model_copy(update={"name": "r"})
    texts = [RENV.replace("{}", json.dumps({"tiny": {"Version": f"{n}.0"}})) for n in range(5)]
    for text in texts:
        have((default, text))
        time.sleep(0.02)  # longer than a tick of the file system's clock
    assert len(places.folders("r")) == 5, "what an open R began with is there"
    assert have((default, texts[-1]), check=True) == 0
    oldest = root / f"r-{team.Lock(default, texts[0]).digest}"
    past = time.time() - program.UNSEEN_SECONDS - 60
    os.utime(oldest / places.MARKER, (past, past))
    os.utime(root / in_use(root, "r") / places.MARKER, (past, past))
    assert have((default, texts[-1]), check=True) == 3
    have()
    assert not oldest.exists()
    assert not (root / "r").exists()
    assert len(places.folders("r")) == 4, "the last one was in use until now, however long ago it was made"
    monkeypatch.setattr(program, "UNSEEN_SECONDS", 0.0)
    have()
    assert places.folders("r") == []


def test_a_name_that_is_the_beginning_of_another_is_kept_apart(root: Path) -> None:
    longer = GEO.model_copy(update={"name": "geo-two"})
    have((GEO, FORMER), (longer, NOW))
    have((GEO, NOW), (longer, NOW))
    assert places.names() == {"geo", "geo-two"}
    assert [path.name for path in places.folders("geo")] == sorted(
        f"geo-{digest(lock)}" for lock in (FORMER, NOW)
    )
    have((GEO, NOW))
    assert places.names() == {"geo"}


def test_a_dry_run_is_told_of_what_is_to_come(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, NOW))
    monkeypatch.setattr("sys.stdin", io.StringIO(told((STATS, RENV))))
    assert program.main(["--check", "--given"]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("build the environment stats (R 4.5, ")
    assert said[1:] == [
        "remove the environment geo, and its kernel",
        f"remove {root}/geo-{digest(NOW)}",
    ]


def test_the_report_says_who_uses_which(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    have((GEO, FORMER))
    running(4711, root / f"geo-{digest(FORMER)}")
    have((GEO, NOW))
    running(4712, root / f"geo-{digest(NOW)}", "environ")
    assert program.main(["--report"]) == 0
    [geo] = [one for one in json.loads(capsys.readouterr().out)["environments"] if one["name"] == "geo"]
    me = pwd.getpwuid(os.getuid()).pw_name
    assert geo["digest"] == digest(NOW)
    assert geo["former"] == [digest(FORMER)]
    assert sorted(geo["users"], key=lambda one: one["digest"] != digest(NOW)) == [
        {"user": me, "digest": digest(NOW), "processes": 1},
        {"user": me, "digest": digest(FORMER), "processes": 1},
    ]


def test_a_command_runs_in_the_environment_that_is_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, NOW), (STATS, RENV))
    seen: list[Any] = []
    monkeypatch.setattr(os, "execvpe", lambda *given: seen.extend(given))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("SHELL", "/bin/zsh")
    command.main(["geo", "python", "-c", "1"])
    assert seen[:2] == ["python", ["python", "-c", "1"]]
    assert seen[2]["PATH"] == f"{root}/geo-{digest(NOW)}/bin:/usr/bin"
    seen.clear()
    command.main(["stats"])
    assert seen[:2] == ["/bin/zsh", ["/bin/zsh"]]
    assert seen[2]["R_LIBS"].startswith(f"{root}/stats-")
    assert command.main([]) == 0
    assert capsys.readouterr().out == "geo (Python 3.13, 1 packages)\nstats (R 4.5, 1 packages)\n"
    for wrong in ("none", "../geo", "geo/x", f"geo-{digest(NOW)}x"):
        assert command.main([wrong]) == 1
        assert capsys.readouterr().err == (
            f"There is no environment called {wrong} here; there are geo, stats.\n"
        )


def test_another_python_than_the_hosts_is_one_of_uvs_builds_and_one_that_there_is_not_names_the_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
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


# ---- with uv itself, and an index of the tests' own


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
def with_uv(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    root: Path, web: tuple[str, Path], with_uv: None
) -> None:
    one, other = index.wheel("one", "1.0"), index.wheel("other", "2.0")
    index.write(web[1], one, other)
    assert have_of(web[0], one.pin, other.pin) == 0
    code = "import one, other; print(one.VERSION, other.VERSION)"
    said = subprocess.run(
        [root / "geo" / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0 2.0\n"
    assert list(root.glob("geo/lib/python3*/site-packages/__pycache__/one.*.pyc"))
    assert not builder.CACHE.exists()
    told_ = places.marker(root / in_use(root))
    assert told_ is not None
    assert told_.packages == 2


def test_an_archive_with_another_sha256_is_told_and_the_old_environment_stays(
    root: Path, web: tuple[str, Path], with_uv: None, capsys: pytest.CaptureFixture[str]
) -> None:
    one = index.wheel("one", "1.0")
    index.write(web[1], one)
    assert have_of(web[0], one.pin) == 0
    before = in_use(root)
    assert have_of(web[0], one.pin.replace(one.sha256, "0" * 64)) == 1
    said = capsys.readouterr().err
    assert "the environment geo could not be built: one==1.0 has another sha256 than its lock says" in said
    assert said.rstrip().endswith("; the one before stays in use.")
    assert len(said.splitlines()) == 1
    assert in_use(root) == before


def test_a_package_that_is_source_alone_is_built_where_compilers_are_asked_for(
    root: Path, web: tuple[str, Path], with_uv: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    root: Path,
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
        assert (root / "geo").exists() != is_refused


def test_commands_that_are_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to("/usr/bin")
    with pytest.raises(FailureError, match="bin is a link"):
        pythons.refuse_hiding(tmp_path / "bin")


def test_a_package_that_the_index_does_not_have_and_an_index_that_is_away_are_a_sentence_each(
    root: Path, web: tuple[str, Path], with_uv: None, capsys: pytest.CaptureFixture[str]
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
    assert list(root.glob("geo*")) == []


def test_an_address_with_a_password_is_in_no_command_line_and_no_file_that_others_may_read(
    root: Path, web: tuple[str, Path], with_uv: None, monkeypatch: pytest.MonkeyPatch
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
