"""Whose user manager runs from boot on, and what of it counts as work; logind is stood in."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench_host import managers as program
from workbench_host import processes
from workbench_host.tools import FailureError

# As by `systemd-run --user --slice=user-2002`, and as a unit with Delegate=yes can make them.
FORGED = ("user.slice/user-2002.slice", "app.slice/a.service/user.slice/user-2002.slice/user@2002.service")


def manager(uid: int, unit: str = "init.scope") -> str:
    return f"/user.slice/user-{uid}.slice/user@{uid}.service/{unit}"


class Logind:
    """Accounts, and what loginctl does to the folder of those who linger."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "linger"
        self.folder.mkdir()
        self.asked: list[tuple[str, ...]] = []
        self.broken: set[str] = set()  # what does not start, as where its user has it so
        self.people = {"ada": "/bin/bash", "alan": "/usr/sbin/nologin", "grace": "/bin/bash"}
        self.groups = {"/init.scope", manager(2000)}
        monkeypatch.setattr(program, "LINGERING", self.folder)
        monkeypatch.setattr(program, "GIVEN", folder / "notes" / "lingering")
        monkeypatch.setattr(program, "run", self.run)
        monkeypatch.setattr(program, "control_groups", lambda: self.groups)
        monkeypatch.setattr("pwd.getpwall", self.accounts)

    def accounts(self) -> list[SimpleNamespace]:
        named = {**self.people, "admin": "/bin/bash"}
        uids = {"admin": 1000, "ada": 2000, "alan": 2001, "grace": 2002}
        return [
            SimpleNamespace(pw_name=name, pw_uid=uids[name], pw_shell=shell) for name, shell in named.items()
        ]

    def run(self, command: str, verb: str, *names: str, seconds: float | None = None) -> str:
        self.asked.append((verb, *names))
        if command == "systemctl":
            if self.broken & set(names):
                raise FailureError("`systemctl start` failed with status 1")
            self.groups |= {manager(int(unit[5:-8])) for unit in names}
            return ""
        assert command == "loginctl"
        for name in names:
            assert name in self.people, "logind looks a name up"
            if verb == "enable-linger":
                (self.folder / name).touch()
                uid = next(one.pw_uid for one in self.accounts() if one.pw_name == name)
                self.groups.add(manager(uid))
            else:
                (self.folder / name).unlink()
        return ""

    def lingering(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def main(self, *arguments: str) -> int:
        """The check says whether a run has something to do, and the next check that it did it all."""
        before = self.lingering()
        would = program.main([*arguments, "--check"])
        assert self.lingering() == before
        assert program.main(arguments) == 0
        assert program.main([*arguments, "--check"]) == program.CLEAN
        return would


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logind:
    return Logind(tmp_path, monkeypatch)


def test_switched_off_whoever_was_given_a_lasting_user_manager_loses_it_and_nobody_else(
    logind: Logind,
) -> None:
    (logind.folder / "grace").touch()  # she asked for it herself
    assert logind.main() == program.WOULD_CHANGE
    assert logind.lingering() == ["ada", "grace"]
    assert logind.main("--off") == program.WOULD_CHANGE
    assert logind.asked == [("enable-linger", "ada"), ("disable-linger", "ada")]
    assert logind.lingering() == ["grace"]
    assert logind.main("--off") == program.CLEAN
    assert logind.main() == program.WOULD_CHANGE
    assert logind.lingering() == ["ada", "grace"]


@pytest.mark.parametrize(
    ("unit", "computes"),
    [
        ("user.slice/libpod-0123.scope/container", True),
        ("app.slice/run-r1.service", True),
        ("user.slice/podman-pause-4f1d.scope", False),
        ("session.slice/dbus.service", False),
    ],
)
def test_a_user_manager_with_something_at_work_is_taken_back_once_it_has_ended(
    logind: Logind, unit: str, computes: bool
) -> None:
    logind.main()
    logind.groups.add(manager(2000, unit))
    logind.main("--off")
    assert ("ada" in logind.lingering()) == computes
    logind.groups.clear()
    logind.main("--off")
    assert logind.lingering() == []


def test_an_account_that_is_closed_or_gone_has_no_lasting_user_manager(logind: Logind) -> None:
    logind.main()
    assert logind.lingering() == ["ada", "grace"]
    logind.people["ada"] = "/usr/sbin/nologin"
    del logind.people["grace"]
    assert logind.main() == program.WOULD_CHANGE
    assert logind.lingering() == []
    assert logind.main() == program.CLEAN


def test_a_run_that_was_killed_at_the_giving_left_nobody_with_a_manager_for_good(
    logind: Logind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*command: str) -> str:
        logind.run(*command)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(program, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            program.main([])
    assert logind.lingering() == ["ada", "grace"]
    logind.main("--off")
    assert logind.lingering() == []


def test_a_logind_that_refuses_is_a_sentence(
    logind: Logind, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: str) -> str:
        raise FailureError("`loginctl enable-linger ada` failed with status 1: no such thing")

    monkeypatch.setattr(program, "run", refuse)
    assert program.main([]) == 1
    assert capsys.readouterr().err.startswith("User managers could not be seen to: `loginctl")


def test_the_check_says_what_a_run_would_do(logind: Logind, capsys: pytest.CaptureFixture[str]) -> None:
    program.main(["--check"])
    assert capsys.readouterr().out.splitlines() == [
        "have the user manager of ada run from boot on",
        "have the user manager of grace run from boot on",
    ]


def test_the_managers_own_processes_are_no_work_of_their_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert processes.is_manager(manager(2000), 2000)
    assert processes.is_manager(manager(2000, "app.slice/dbus.service"), 2000)
    assert not processes.is_manager(manager(2000, "app.slice/run-r1.service"), 2000)
    assert not processes.is_manager("/user.slice/user-2000.slice/session-3.scope", 2000)
    assert not processes.is_manager("", 2000)
    monkeypatch.setattr(processes, "owners", lambda: iter([(1, 2000), (2, 2000), (3, 0)]))
    monkeypatch.setattr(processes, "group_of", lambda pid: manager(2000) if pid == 1 else "")
    assert processes.at_work() == {2000: 1, 0: 1}


@pytest.mark.parametrize("unit", FORGED)
def test_units_that_a_user_calls_as_anothers_manager_neither_are_it_nor_keep_it(
    logind: Logind, unit: str
) -> None:
    logind.main()
    logind.groups = {"/init.scope", manager(2000), manager(2000, f"{unit}/run-r1.service")}
    assert not program.at_work(2002, logind.groups)
    assert not program.is_awake(2002, logind.groups)
    assert not processes.is_manager(manager(2000, f"{unit}/init.scope"), 2002)
    assert program.at_work(2000, logind.groups)


def test_programs_find_the_manager_only_where_it_lasts(logind: Logind) -> None:
    assert program.variables("ada", 2000) == {}
    logind.main()
    assert program.variables("ada", 2000) == {
        "XDG_RUNTIME_DIR": "/run/user/2000",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/2000/bus",
    }


def test_a_manager_that_has_ended_is_started_and_one_that_somebody_asked_for_is_left_alone(
    logind: Logind,
) -> None:
    (logind.folder / "grace").touch()  # she asked for it herself
    logind.main()
    logind.groups.clear()
    logind.asked.clear()
    assert logind.main() == program.WOULD_CHANGE
    assert logind.asked == [("start", "user@2000.service")]


def test_all_of_proc_is_read_once_however_many_users_there_are(
    logind: Logind, monkeypatch: pytest.MonkeyPatch
) -> None:
    logind.main()
    read: list[None] = []
    monkeypatch.setattr(program, "control_groups", lambda: read.append(None) or logind.groups)
    for arguments in ([], ["--off"]):
        read.clear()
        assert program.main([*arguments, "--check"]) in (program.CLEAN, program.WOULD_CHANGE)
        assert len(read) == 1


def test_a_manager_that_does_not_start_keeps_nobody_elses_from_starting_and_fails_no_deploy(
    logind: Logind, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a link from ~/.config/systemd/user/default.target to /dev/null."""
    assert program.main([]) == 0
    logind.groups = {"/init.scope"}
    logind.broken, logind.asked = {"user@2000.service"}, []
    assert program.main([]) == 0
    assert logind.asked == [("start", "user@2000.service"), ("start", "user@2002.service")]
    assert capsys.readouterr().err == (
        "The user manager of ada does not start, and so none of ada's timers runs; "
        "`journalctl -u user@2000` says why.\n"
    )
