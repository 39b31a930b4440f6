"""workbench-schedule in a home of the test's: times judged by systemd's own program, runs by real ones.

The user's systemd is stood in: what it does with the units is for tests/deploy/test_timers.py.
"""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host.schedules import command, jobs, running, times
from workbench_host.team import places
from workbench_host.tools import FailureError

NOTHING: list[str] = []


class Person:
    """A user's home and systemd; `run` calls the command and gives back (status, what it said)."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.home, self.capfd = home, capfd
        self.asked: list[tuple[str, ...]] = []
        self.said: dict[str, str] = {}
        (home / "work").mkdir(parents=True)
        monkeypatch.chdir(home / "work")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr("os.geteuid", lambda: 2000)
        monkeypatch.setattr(command, "systemctl", self.systemctl)
        monkeypatch.setattr(command, "need_timers", lambda: None)
        monkeypatch.setattr(running, "MAIL_SOCKET", str(home / "mail"))
        monkeypatch.setattr(places, "ROOT", home / "environments")

    def systemctl(self, *words: str, seconds: float | None = None) -> str:
        self.asked.append(words)
        if self.said.get(words[0], "").startswith("refused"):
            raise FailureError(self.said[words[0]])
        return self.said.get(words[0], "")

    def run(self, *words: str) -> tuple[int, str]:
        self.capfd.readouterr()
        status = command.main(words)
        return status, "".join(self.capfd.readouterr())

    def add(self, name: str, *words: str) -> None:
        status, said = self.run("add", name, "weekly", *words)
        assert status == 0, said

    def kept(self, name: str, suffix: str = ".log") -> list[str]:
        return [path.read_text() for path in jobs.runs(name) if path.suffix == suffix]


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Person:
    return Person(tmp_path / "home", monkeypatch, capfd)


@needs("systemd-analyze")
@pytest.mark.parametrize(
    ("when", "calendar", "delay"),
    [
        ("weekly", "Mon *-*-* 00:00:00", 120),
        ("Mon 07:00", "Mon *-*-* 07:00:00", 120),
        ("Mon..Fri 18:30", "Mon..Fri *-*-* 18:30:00", 120),
        ("*:0/5", "*-*-* *:00/5:00", 15),
        ("minutely", "*-*-* *:*:00", 3),
        ("2199-01-01 06:00", "2199-01-01 06:00:00", 120),
    ],
)
def test_a_time_is_what_systemd_makes_of_it(when: str, calendar: str, delay: int) -> None:
    found = times.judge(when)
    assert (found.calendar, found.delay_seconds) == (calendar, delay)
    assert len(found.following) == (1 if when.startswith("2199") else 3)


@needs("systemd-analyze")
@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("2020-01-01", "never comes"),
        ("*-02-30", "never comes"),
        ("Mon 25:00", "no time that systemd knows"),
        ("", "no time that systemd knows"),
        ("weekly\nExecStart=/bin/sh", "no time that systemd knows"),
        ("%n", "no time that systemd knows"),
        ("--help", "no time that systemd knows"),
        ("*:*:00/10", "comes every 10 s"),
    ],
)
def test_a_time_that_never_comes_or_is_none_is_one_sentence_with_what_would_be_right(
    person: Person, when: str, why: str
) -> None:
    status, said = person.run("add", "report", when, "true")
    if when == "--help":
        assert (status, said.startswith("add takes no --help")) == (2, True)
        return
    assert (status, len(said.splitlines())) == (1, 1)
    assert why in said
    assert "such as" in said
    assert not (person.home / "schedules").exists()


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\nb", "a b", "%n", "%h", "", "A", "-a", ".", "x" * 41, "é", "a@b"]
)
def test_a_name_that_could_lead_elsewhere_is_refused_everywhere(person: Person, name: str) -> None:
    for words in (
        ("add", name, "weekly", "true"),
        ("run", name),
        ("logs", name),
        ("remove", name),
        ("--run", name),
    ):
        status, said = person.run(*words)
        assert status in (1, 2), words
        assert len(said.strip().splitlines()) == 1, said
    assert person.asked == []
    assert list(person.home.iterdir()) == [person.home / "work"]


@needs("systemd-analyze")
def test_what_is_added_is_kept_and_no_word_of_it_gets_into_a_unit(person: Person) -> None:
    status, said = person.run("add", "report", "Mon 07:00", "--mail", "bash", "-c", "echo %h; [Install]\n")
    assert status == 0
    assert said.count("07:00:00") == 3
    assert f"Folder: {person.home}/work" in said
    assert person.asked == [("daemon-reload",), ("enable", "--now", "workbench-schedule@report.timer")]
    unit = (person.home / ".config/systemd/user/workbench-schedule@report.timer").read_text()
    assert "OnCalendar=Mon *-*-* 07:00:00\nPersistent=true\n" in unit.replace(
        "# A run that was missed while the server was stopped happens after its start.\n", ""
    )
    assert "%" not in unit
    assert "echo" not in unit
    job = jobs.load("report")
    assert job.words == ("bash", "-c", "echo %h; [Install]\n")
    assert job.mail
    assert (person.home / "schedules").stat().st_mode & 0o777 == 0o700
    assert person.run("add", "report", "weekly", "true") == (
        1,
        "There is a schedule called report already; remove it first, or take another name.\n",
    )


@needs("systemd-analyze")
def test_a_manager_that_refuses_leaves_no_schedule(person: Person) -> None:
    person.said["enable"] = "refused: no bus"
    assert person.run("add", "report", "weekly", "true") == (1, "Refused: no bus.\n")
    assert jobs.names() == []
    assert not jobs.timer("report").exists()


@needs("systemd-analyze")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nothing-of-the-kind"], "there is neither a file nor a command called 'nothing-of-the-kind' here"),
        (["table.csv"], "table.csv is neither a program nor a file of a kind that can be run"),
        (["a.ipynb", "--env", "x"], "a notebook takes no arguments, and '--env' stands after it"),
        (["--env", "nothing", "a.py"], "there is no environment called nothing here; there are geo"),
        (["--env", "../..", "a.py"], "there is no environment called ../.. here"),
        (["--fast", "a.py"], "add takes no --fast"),
        (NOTHING, "add takes a name, a time, and a command or a file"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_made(
    person: Person, words: list[str], why: str
) -> None:
    for name in ("table.csv", "a.ipynb", "a.py"):
        (person.home / "work" / name).touch()
    places.ROOT.mkdir()
    (places.ROOT / "geo").symlink_to("geo-000000000000")
    status, said = person.run("add", "report", "weekly", *words)
    assert status in (1, 2)
    assert why.lower() in said.lower()
    assert not (person.home / "schedules").exists()


@needs("systemd-analyze")
def test_what_others_may_write_to_is_said(person: Person) -> None:
    (person.home / "work" / "a.sh").write_text("true")
    (person.home / "work" / "a.sh").chmod(0o664)
    _, said = person.run("add", "report", "weekly", "a.sh")
    assert f"Others may write to {person.home}/work/a.sh: what they put there will run as you." in said


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
def test_only_the_last_runs_are_kept_and_nothing_else_in_the_folder_goes(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEPT", 2)
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


@needs("systemd-analyze")
def test_a_run_that_is_ended_says_so_and_takes_what_it_started_along(person: Person) -> None:
    person.add("slow", "echo begun; exec sleep 60")
    code = "import sys; from workbench_host.schedules import command, running; sys.exit(running.once('slow'))"
    environment = {**os.environ, "HOME": str(person.home), "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    until = time.monotonic() + 20
    while "begun" not in "".join(person.kept("slow") if jobs.last("slow") else []):
        assert time.monotonic() < until
        time.sleep(0.05)
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


@needs("systemd-analyze")
def test_a_disk_that_is_full_keeps_nothing_from_running(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.add("full", f"touch {person.home}/ran; echo x")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    real = os.write
    monkeypatch.setattr(
        running.os, "write", lambda fd, data: full(fd, data) if b"x" in data else real(fd, data)
    )
    status, said = person.run("--run", "full")
    assert (person.home / "ran").exists()
    assert (status, "its output could not be kept: No space left on device" in said) == (0, True)


@needs("systemd-analyze")
def test_what_is_removed_runs_no_more_and_what_it_said_stays(person: Person) -> None:
    person.add("old", "echo kept")
    person.run("--run", "old")
    wants = jobs.timer("old").parent / "timers.target.wants"
    wants.mkdir()
    (wants / jobs.timer("old").name).symlink_to(jobs.timer("old"))
    person.said["disable"] = "refused: there is no manager"
    status, said = person.run("remove", "old")
    assert (status, said.startswith("old does not run any more.")) == (0, True)
    assert not jobs.timer("old").exists()
    assert list(wants.iterdir()) == []
    assert person.kept("old")
    assert person.run("remove", "old") == (1, "There is no schedule called old; there are none.\n")


def test_a_host_without_the_setting_says_which_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 2000)
    monkeypatch.setattr(command, "SETTINGS", str(tmp_path / "timers.json"))
    assert command.main(["add", "x", "weekly", "true"]) == 1
    assert "the setting limits.timers" in capsys.readouterr().err
    (tmp_path / "timers.json").touch()
    monkeypatch.setattr(command, "LINGERING", tmp_path)
    assert command.main(["list"]) == 1
    assert "schedules are for declared users" in capsys.readouterr().err.lower()


@needs("systemd-analyze")
def test_failures_are_handed_to_the_mailer_and_so_is_that_they_are_over(person: Person) -> None:
    import socket

    heard: list[dict[str, object]] = []
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
