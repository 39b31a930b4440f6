"""Runs of schedules in a home of the test's, by real programs; the user's systemd is stood in."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from tests.needs import needs
from tests.unit.host.schedule_person import Person
from workbench_host import data
from workbench_host.schedules import jobs, mailer, running


@needs("systemd-analyze")
def test_a_run_keeps_what_it_says_and_how_it_ended(person: Person) -> None:
    person.add("good", "pwd; echo said; echo told >&2")
    person.add("bad", "echo before; exit 3")
    assert person.run("--run", "good")[0] == 0
    assert person.run("--run", "bad")[0] == 1
    assert person.kept("good") == [f"{person.home}/work\nsaid\ntold\n\n[good: ok, 0 s]\n"]
    told = jobs.last("bad")
    assert told["result"] == "failed with status 3"
    assert told["log"] == jobs.runs("bad")[0].name
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in jobs.folder("bad").iterdir())
    _, said = person.run("logs", "bad")
    assert said.startswith("before\n\n[bad: failed with status 3, 0 s]\n")
    person.said["list-timers"] = json.dumps(
        [{"unit": "workbench-schedule@bad.timer", "next": 4102444800000000}]
    )
    _, said = person.run("list")
    head, bad, good = said.splitlines()
    assert head.split() == ["NAME", "WHEN", "NEXT", "LAST", "RESULT"]
    assert bad.startswith("bad   Mon *-*-* 00:00:00  2")
    assert bad.endswith("failed with status 3")
    assert good.endswith("  ok")


@needs("systemd-analyze")
def test_a_script_runs_by_its_interpreter_and_in_the_folder_where_it_was_added(person: Person) -> None:
    (person.home / "work" / "src").mkdir()
    (person.home / "work" / "src" / "a.py").write_text("import os, sys; print(os.getcwd(), sys.argv[1:])")
    person.add("script", "src/a.py", "--fast", "x y")
    assert person.run("--run", "script")[0] == 0
    assert person.kept("script")[0].startswith(f"{person.home}/work ['--fast', 'x y']\n")


@needs("systemd-analyze")
def test_long_output_keeps_its_begin_and_its_end(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "HEAD_BYTES", 100)
    monkeypatch.setattr(running, "TAIL_BYTES", 50)
    person.add("long", f'{sys.executable} -c \'print("a" * 1000 + "END")\'')
    assert person.run("--run", "long")[0] == 0
    (log,) = person.kept("long")
    assert log == f"{'a' * 100}\n[854 bytes are left out]\n{'a' * 46}END\n\n[long: ok, 0 s]\n"


@needs("systemd-analyze")
@pytest.mark.parametrize("full", [False, True])
def test_only_the_last_runs_are_kept_and_nothing_else_in_the_folder_goes(
    person: Person, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jobs, "KEPT", 2)
    if full:
        monkeypatch.setattr(jobs, "note", no_room)
    person.add("often", "true")
    (jobs.folder("often") / "notes.log").write_text("mine")
    (jobs.folder("often") / "2020-01-01T000000.ipynb").touch()
    for _ in range(4):
        person.run("--run", "often")
    assert len(jobs.runs("often")) == 2
    assert (jobs.folder("often") / "notes.log").read_text() == "mine"


@needs("systemd-analyze")
def test_runs_of_one_name_never_overlap(person: Person) -> None:
    person.add("slow", "true")
    held = os.open(jobs.folder("slow"), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert person.run("--run", "slow") == (1, "Slow runs already.\n")
    os.close(held)
    assert person.run("--run", "slow")[0] == 0


def begun(person: Person) -> "subprocess.Popen[bytes]":
    """A run of `slow` in a process of its own, once it has said that it has begun."""
    code = "import sys; from workbench_host.schedules import command, running; sys.exit(running.once('slow'))"
    environment = {**os.environ, "HOME": str(person.home), "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    until = time.monotonic() + 20
    while "begun" not in "".join(person.kept("slow") if jobs.last("slow") else []):
        assert time.monotonic() < until
        time.sleep(0.05)
    return child


@needs("systemd-analyze")
def test_a_run_that_is_ended_says_so_and_takes_what_it_started_along(person: Person) -> None:
    person.add("slow", "echo begun; exec sleep 60")
    child = begun(person)
    assert jobs.last("slow")["result"] == "running"
    child.terminate()
    assert child.wait(20) == 1
    assert jobs.last("slow")["result"].startswith("was ended: the server stopped, somebody stopped it")
    assert person.kept("slow")[0].startswith("begun\n\n[slow: was ended")


@needs("systemd-analyze")
def test_what_others_may_write_to_does_not_run(person: Person) -> None:
    person.add("mine", "true")
    (jobs.folder("mine") / jobs.WHAT).chmod(0o620)
    status, said = person.run("--run", "mine")
    assert (status, said.endswith("so what it says does not run; chmod go-w it.\n")) == (1, True)
    (jobs.folder("mine") / jobs.WHAT).chmod(0o600)
    jobs.folder("mine").chmod(0o777)
    assert person.run("--run", "mine")[0] == 1
    _, said = person.run("list")
    assert "others may write to" in said


def deaf(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@needs("systemd-analyze")
@pytest.mark.parametrize("what", ["output", "log", "note"])
def test_a_disk_that_is_full_keeps_nothing_from_running_and_its_user_is_mailed(
    person: Person, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As a full disk refuses it: what is written, each new file, or those of the program's own."""
    person.add("full", f"touch {person.home}/ran; echo x")
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(running, "mail", lambda told: heard.append(dict(told)) or "mailed")
    written, opened = os.write, os.open
    replaced: dict[str, tuple[Any, str, Any]] = {
        "output": (running.os, "write", lambda fd, data: deaf() if b"x" in data else written(fd, data)),
        "log": (running.os, "open", lambda *given: deaf() if given[1] & os.O_EXCL else opened(*given)),
        "note": (jobs, "write", deaf),
    }
    with monkeypatch.context() as full:
        full.setattr(*replaced[what])
        status, said = person.run("--run", "full")
    assert (person.home / "ran").exists()
    result = "ok; not all of it could be kept: No space left on device"
    assert (status, f"full: {result}.\n" in said) == (0, True)
    assert [one["result"] for one in heard] == [result]
    assert person.run("--run", "full")[0] == 0
    assert [one["result"] for one in heard][1:] == (["ok"] if what == "output" else []), "LAST knew"


@needs("systemd-analyze")
def test_failures_are_handed_to_the_mailer_and_so_is_that_they_are_over(person: Person) -> None:
    heard: list[dict[str, object]] = []
    (person.home / "timers.json").write_text('{"mail": true}')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(person.home / "mail"))
        listener.listen()

        def answer() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, connection.makefile("rb") as said:
                    heard.append(json.loads(said.read()))
                    connection.sendall(b"mailed")

        threading.Thread(target=answer, daemon=True).start()
        person.add("flaky", f"test -e {person.home}/well && echo fine")
        assert "flaky: mailed.\n" in person.run("--run", "flaky")[1]
        (person.home / "well").touch()
        assert "mailed" in person.run("--run", "flaky")[1]
        assert "mailed" not in person.run("--run", "flaky")[1], "all is well, as before"
    assert [one["result"] for one in heard] == ["failed with status 1", "ok"]
    assert heard[1]["last"] == "fine\n"


@needs("systemd-analyze")
def test_a_run_finds_data_that_was_set_up_after_the_users_systemd_began_and_none_that_is_gone(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lasting one keeps the variables of its own begin, which may be months ago."""
    config = person.home / "data.json"
    monkeypatch.setattr(data, "CONFIG", str(config))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    for name in data.WITH_DATA:
        monkeypatch.delenv(name, raising=False)
    person.add("show", "printenv | grep -E '^AWS_(CONT|EC2|PROFILE)' | sort")
    config.touch()
    assert person.run("--run", "show")[0] == 0
    expected = {**data.WITH_DATA, "AWS_PROFILE": "mine"}
    assert person.kept("show")[-1].split("\n\n")[0].splitlines() == [
        f"{name}={value}" for name, value in sorted(expected.items())
    ]
    for name, value in data.WITH_DATA.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of another service")
    config.unlink()
    assert person.run("--run", "show")[0] == 0
    assert person.kept("show")[-1].split("\n\n")[0].splitlines() == [
        "AWS_CONTAINER_AUTHORIZATION_TOKEN=of another service",
        "AWS_EC2_METADATA_DISABLED=true",
        "AWS_PROFILE=mine",
    ]


@needs("systemd-analyze")
def test_what_is_in_the_home_runs_under_another_name_of_its_user_too(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, other = person.home / "work", person.home.parent / "other"
    other.mkdir()
    for folder in (work, other):
        (folder / "a.sh").write_text("pwd; echo $1")
    person.add("inside", "a.sh", "~/not-a-file-of-ours")
    person.add("outside", str(other / "a.sh"))
    (person.home.parent / "link").symlink_to(person.home)
    person.add("linked", str(person.home.parent / "link" / "work" / "a.sh"))
    kept = json.loads((jobs.folder("linked") / jobs.WHAT).read_text())
    assert (kept["folder"], kept["words"]) == ("work", ["bash", "work/a.sh"])
    (person.home.parent / "link").unlink()
    renamed = person.home.rename(person.home.parent / "renamed")
    monkeypatch.setenv("HOME", str(renamed))
    for name, argument in (("inside", "~/not-a-file-of-ours"), ("linked", ""), ("outside", "")):
        assert person.run("--run", name)[0] == 0, person.kept(name)
        assert person.kept(name)[0].startswith(f"{renamed}/work\n{argument}\n")


@needs("systemd-analyze")
def test_a_mailer_that_begins_anew_is_waited_for_and_one_that_does_not_is_said(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    (person.home / "timers.json").write_text('{"mail": true}')
    monkeypatch.setattr(running, "RESTART_SECONDS", 0.1)
    person.add("bad", "false")
    assert "bad: not mailed: No such file or directory." in person.run("--run", "bad")[1]
    monkeypatch.setattr(running, "RESTART_SECONDS", 20.0)

    def begin() -> None:
        time.sleep(0.7)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(person.home / "mail"))
            listener.listen()
            listener.accept()[0].close()  # as where its user has too many connections: none is read
            with listener.accept()[0] as connection:
                mailer.received(connection)
            with listener.accept()[0] as connection:
                mailer.received(connection)
                connection.sendall(b"queued to be mailed")

    threading.Thread(target=begin, daemon=True).start()
    assert "bad: queued to be mailed.\n" in person.run("--run", "bad")[1]


@needs("systemd-analyze")
def test_a_run_that_is_killed_was_cut_off_and_the_next_goes_well(person: Person) -> None:
    person.add("slow", f"echo begun; test -e {person.home}/quick || exec sleep 60")
    child = begun(person)
    child.kill()
    assert child.wait(20) == -signal.SIGKILL
    person.said["show"] = "inactive\n"
    assert person.run("list")[1].splitlines()[1].endswith("  was cut off")
    assert person.run("logs", "slow")[1].startswith("begun\n")
    (person.home / "quick").touch()
    assert person.run("--run", "slow")[0] == 0
    assert person.run("list")[1].splitlines()[1].endswith("  ok")
    assert len(person.kept("slow")) == 2
