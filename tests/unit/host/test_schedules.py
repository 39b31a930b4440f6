"""workbench-schedule in a home of the test's: times judged by systemd's own program, and what can be put on a schedule.

The user's systemd is stood in: what it does with the units is for tests/deploy/test_timers.py.
"""

import json
from pathlib import Path

import pytest

from tests.needs import needs
from tests.unit.host.schedule_person import Person
from workbench_host.schedules import command, jobs, times
from workbench_host.team import places

NOTHING: list[str] = []


def environment(name: str, language: str) -> None:
    """One of the team's that is whole."""
    folder = places.ROOT / f"{name}-000000000000"
    folder.mkdir(parents=True)
    places.mark(folder, places.Marker(name, language, "4.2", "/usr/bin/R", 1))
    (places.ROOT / name).symlink_to(folder.name)


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
    assert {path.name for path in person.home.iterdir()} == {"timers.json", "work"}


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
        (
            ["--env", "nothing", "a.py"],
            "there is no environment called nothing here; there are geo, half, stats",
        ),
        (["--env", "half", "a.py"], "there is no environment called half here"),
        (["--env", "stats", "a.py"], "stats is an environment of R, and a.py is written in Python"),
        (["--env", "geo", "a.R"], "geo is an environment of Python, and a.R is written in R"),
        (
            ["--env", "stats", "python.ipynb"],
            "stats is an environment of R, and python.ipynb is written in Python",
        ),
        (["--env", "../..", "a.py"], "there is no environment called ../.. here"),
        (["--fast", "a.py"], "add takes no --fast"),
        (NOTHING, "add takes a name, a time, and a command or a file"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_made(
    person: Person, words: list[str], why: str
) -> None:
    for name in ("table.csv", "a.ipynb", "a.py", "a.R"):
        (person.home / "work" / name).touch()
    environment("geo", "Python")
    environment("stats", "R")
    (places.ROOT / "half-000000000001").mkdir()
    (places.ROOT / "half").symlink_to("half-000000000001")
    (person.home / "work" / "python.ipynb").write_text(
        json.dumps({"metadata": {"kernelspec": {"name": "python3", "language": "python"}}})
    )
    status, said = person.run("add", "report", "weekly", *words)
    assert status in (1, 2)
    assert why.lower() in said.lower()
    assert not (person.home / "schedules").exists()


@needs("systemd-analyze")
@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o664, 0o755), (0o644, 0o775)])
def test_what_others_may_write_to_or_replace_is_said(
    person: Person, file_mode: int, folder_mode: int
) -> None:
    script = person.home / "work" / "a.sh"
    script.write_text("true")
    script.chmod(file_mode)
    script.parent.chmod(folder_mode)
    _, said = person.run("add", "report", "weekly", "a.sh")
    assert f"Others may write to {script}: what they put there will run as you." in said


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
@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("stats", "a.R", ""),
        ("geo", "a.py", ""),
        ("stats", "a.sh", ""),
        ("stats", "r.ipynb", json.dumps({"metadata": {"language_info": {"name": "R"}}})),
        ("geo", "new.ipynb", json.dumps({"metadata": {}})),
        ("geo", "broken.ipynb", "[1]"),
    ],
)
def test_a_file_runs_in_an_environment_of_its_language(
    person: Person, name: str, file: str, content: str
) -> None:
    environment("geo", "Python")
    environment("stats", "R")
    (person.home / "work" / file).write_text(content)
    person.add("report", "--env", name, file)
    assert jobs.load("report").environment == name
