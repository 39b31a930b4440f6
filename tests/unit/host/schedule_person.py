"""A user with schedules, in a home of the test's. The user's systemd is stood in."""

from pathlib import Path

import pytest

from workbench_host.schedules import command, jobs, running
from workbench_host.team import places
from workbench_host.tools import FailureError


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
        monkeypatch.setattr(running, "SETTINGS", str(home / "timers.json"))
        (home / "timers.json").write_text('{"mail": false}')
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
