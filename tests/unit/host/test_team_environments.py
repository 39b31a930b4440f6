"""The program that sees to the team's environments, on temporary folders; a build makes one file."""

import io
import json
import os
import pwd
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.team_folders import (
    FORMER,
    GEO,
    NOW,
    OLDER,
    OLDEST,
    RENV,
    STATS,
    digest,
    have,
    in_use,
    kernel,
    running,
    told,
)
from workbench import team
from workbench_host import kernels
from workbench_host.team import command, places, program, pythons, usage


def test_an_environment_of_each_language_is_a_kernel_that_names_its_own_folder(opt: Path) -> None:
    assert have((GEO, NOW), (STATS, RENV), check=True) == 3
    assert have((GEO, NOW), (STATS, RENV)) == 0
    assert have((GEO, NOW), (STATS, RENV), check=True) == 0
    folder = opt / f"geo-{digest(NOW)}"
    assert kernel()["argv"][0] == f"{folder}/bin/python"
    assert kernel()["env"]["PATH"] == f"{folder}/bin:${{PATH}}"
    assert kernel()["display_name"] == "geo (Python 3.13)"
    stats = kernel("stats")
    assert (stats["argv"][0], stats["language"], stats["display_name"]) == (
        "/usr/bin/R",
        "R",
        "stats (R 4.5)",
    )
    assert stats["env"]["R_LIBS"] == f"{opt / in_use(opt, 'stats')}/library"
    assert stats["env"]["R_LIBS_USER"] == "~/R/environments/stats-4.5"
    assert "PATH" not in stats["env"], "Debian's R is on the PATH, behind the data science Python"


def test_a_changed_lock_is_another_folder_and_two_former_ones_are_kept(opt: Path) -> None:
    for lock in (OLDEST, OLDER, FORMER, NOW):
        assert have((GEO, lock)) == 0
        time.sleep(0.02)  # longer than a tick of the file system's clock
    assert in_use(opt) == f"geo-{digest(NOW)}"
    assert [path.name[-12:] for path in program.former("geo")] == [digest(FORMER), digest(OLDER)]
    assert have((GEO, NOW), check=True) == 0


def test_a_reverted_lock_is_a_switch_and_no_build(
    opt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, FORMER))
    have((GEO, NOW))

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(pythons, "build", refuse)
    assert have((GEO, FORMER), check=True) == 3
    assert capsys.readouterr().out == f"switch to the environment geo (Python 3.13, {digest(FORMER)})\n"
    assert have((GEO, FORMER)) == 0
    assert in_use(opt) == f"geo-{digest(FORMER)}"
    assert kernel()["argv"][0] == f"{opt}/geo-{digest(FORMER)}/bin/python"
    assert [path.name[-12:] for path in program.former("geo")] == [digest(NOW)]


@pytest.mark.parametrize("source", ["cmdline", "maps", "environ"])
def test_what_something_runs_from_stays_until_nothing_does(opt: Path, source: str) -> None:
    have((GEO, OLDEST))
    process = running(4711, opt / f"geo-{digest(OLDEST)}", source)
    for lock in (OLDER, FORMER, NOW):
        have((GEO, lock))
    assert (opt / f"geo-{digest(OLDEST)}" / "whole").exists()
    assert have((GEO, NOW), check=True) == 0, "there is nothing that could be done now"
    (process / source).write_bytes(b"")
    assert have((GEO, NOW), check=True) == 3
    assert have((GEO, NOW)) == 0
    assert not (opt / f"geo-{digest(OLDEST)}").exists()


def test_a_process_that_has_files_of_several_mapped_holds_each(opt: Path) -> None:
    folders = [opt / f"geo-{digest(lock)}" for lock in (OLDEST, OLDER)]
    for path in folders:
        path.mkdir(parents=True)
    process = running(4711, folders[0])
    (process / "maps").write_text("".join(f"7f r-xp 08:01 1 {path}/lib/x.so\n" for path in folders))
    assert usage.used([opt]) == {path: Counter({os.getuid(): 1}) for path in folders}


def test_what_is_no_longer_listed_goes_with_its_kernel_and_others_kernels_stay(opt: Path) -> None:
    others = kernels.KERNELS / "python3" / "kernel.json"
    others.parent.mkdir(parents=True)
    others.write_text("{}")
    have((GEO, NOW))
    process = running(4711, opt / f"geo-{digest(NOW)}")
    assert have(check=True) == 3
    assert have() == 0
    assert not (kernels.KERNELS / "env-geo").exists()
    assert (opt / f"geo-{digest(NOW)}" / "whole").exists(), "somebody runs from it"
    assert not (opt / "geo").is_symlink()
    (process / "maps").write_bytes(b"")
    assert have() == 0
    assert [path.name for path in opt.iterdir()] == []
    assert others.exists()


def test_the_default_environments_are_changed_in_their_own_places(opt: Path) -> None:
    default = GEO.model_copy(update={"name": "python"})
    for lock in (FORMER, NOW):
        assert have((default, lock), (STATS.model_copy(update={"name": "r"}), RENV)) == 0
        folder = opt / f"python-{digest(lock)}"
        assert places.DEFAULT_LINK.readlink() == folder
        described = json.loads((kernels.KERNELS / "python3" / "kernel.json").read_text())
        assert described["argv"][0] == f"{folder}/bin/python"
        assert described["display_name"] == "Python 3 (data science)"
    assert [path.name for path in kernels.KERNELS.iterdir()] == ["python3"], (
        "R's default kernel is Debian's R's"
    )
    assert (opt / "r" / "whole").exists()
    places.DEFAULT_LINK.unlink()
    places.DEFAULT_LINK.symlink_to("python-of-the-workbench")
    assert have((default, NOW), check=True) == 3
    (places.DEFAULT_LINK).unlink()
    assert have() == 0
    assert (kernels.KERNELS / "python3").exists(), "the deploy sees to that again"


def test_files_of_rs_default_stay_for_a_week_since_no_process_says_that_it_has_them(
    opt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = STATS.model_copy(update={"name": "r"})
    texts = [RENV.replace("{}", json.dumps({"tiny": {"Version": f"{n}.0"}})) for n in range(5)]
    for text in texts:
        have((default, text))
        time.sleep(0.02)  # longer than a tick of the file system's clock
    assert len(places.folders("r")) == 5, "what an open R began with is there"
    assert have((default, texts[-1]), check=True) == 0
    oldest = opt / f"r-{team.Lock(default, texts[0]).digest}"
    past = time.time() - program.UNSEEN_SECONDS - 60
    os.utime(oldest / places.MARKER, (past, past))
    os.utime(opt / in_use(opt, "r") / places.MARKER, (past, past))
    assert have((default, texts[-1]), check=True) == 3
    have()
    assert not oldest.exists()
    assert not (opt / "r").exists()
    assert len(places.folders("r")) == 4, "the last one was in use until now, however long ago it was made"
    monkeypatch.setattr(program, "UNSEEN_SECONDS", 0.0)
    have()
    assert places.folders("r") == []


def test_a_name_that_is_the_beginning_of_another_is_kept_apart(opt: Path) -> None:
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
    opt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, NOW))
    monkeypatch.setattr("sys.stdin", io.StringIO(told((STATS, RENV))))
    assert program.main(["--check", "--given"]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("build the environment stats (R 4.5, ")
    assert said[1:] == [
        "remove the environment geo, and its kernel",
        f"remove {opt}/geo-{digest(NOW)}",
    ]


def test_the_report_says_who_uses_which(opt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    have((GEO, FORMER))
    running(4711, opt / f"geo-{digest(FORMER)}")
    have((GEO, NOW))
    running(4712, opt / f"geo-{digest(NOW)}", "environ")
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
    opt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, NOW), (STATS, RENV))
    seen: list[Any] = []
    monkeypatch.setattr(os, "execvpe", lambda *given: seen.extend(given))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("SHELL", "/bin/zsh")
    command.main(["geo", "python", "-c", "1"])
    assert seen[:2] == ["python", ["python", "-c", "1"]]
    assert seen[2]["PATH"] == f"{opt}/geo-{digest(NOW)}/bin:/usr/bin"
    seen.clear()
    command.main(["stats"])
    assert seen[:2] == ["/bin/zsh", ["/bin/zsh"]]
    assert seen[2]["R_LIBS"].startswith(f"{opt}/stats-")
    assert command.main([]) == 0
    assert capsys.readouterr().out == "geo (Python 3.13, 1 packages)\nstats (R 4.5, 1 packages)\n"
    for wrong in ("none", "../geo", "geo/x", f"geo-{digest(NOW)}x"):
        assert command.main([wrong]) == 1
        assert capsys.readouterr().err == (
            f"There is no environment called {wrong} here; there are geo, stats.\n"
        )
