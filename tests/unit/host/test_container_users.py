"""Ranges of ids for users' containers, and whose user manager runs from boot on; logind is stood in."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from workbench_host import container_users as program
from workbench_host.tools import FailureError


class Logind:
    """Accounts, and what loginctl does to the folder of those who linger."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "linger"
        self.folder.mkdir()
        self.asked: list[tuple[str, ...]] = []
        self.people = {"ada": "/bin/bash", "alan": "/usr/sbin/nologin", "grace": "/bin/bash"}
        self.groups = {"/init.scope", "/user.slice/user-2000.slice/user@2000.service/init.scope"}
        monkeypatch.setattr(program, "FILES", (folder / "subuid", folder / "subgid"))
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

    def run(self, command: str, verb: str, *names: str) -> str:
        assert command == "loginctl"
        self.asked.append((verb, *names))
        for name in names:
            assert name in self.people, "logind looks a name up"
            if verb == "enable-linger":
                (self.folder / name).touch()
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


@hypothesis_settings(deadline=None)  # other tests run beside it
@given(st.sets(st.integers(1001, 59999), min_size=2, max_size=40))
def test_no_two_users_share_an_id_and_all_fit_into_32_bits(uids: set[int]) -> None:
    ranges = sorted((program.start(uid), program.start(uid) + program.COUNT) for uid in uids)
    assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    assert ranges[0][0] >= 65536
    assert ranges[-1][1] <= 2**32


def test_a_users_range_does_not_depend_on_who_was_there_before_and_others_keep_theirs() -> None:
    users = {"ada": 2000, "grace": 2001}
    made_by_useradd = "admin:100000:65536\nada:165536:65536\ngrace:231072:65536\n"
    other_server = "admin:100000:65536\ngrace:165536:65536\nada:231072:65536\n"
    wanted = program.wanted(made_by_useradd, users)
    assert program.wanted(other_server, users) == wanted
    assert wanted.splitlines() == ["admin:100000:65536", "ada:65601536:65536", "grace:65667072:65536"]
    assert program.wanted(wanted, users) == wanted


def test_a_range_that_overlaps_a_users_goes() -> None:
    start = program.start(2000)
    assert program.wanted(f"admin:{start - 10}:65536\n", {"ada": 2000}) == f"ada:{start}:65536\n"


def test_the_check_changes_nothing_and_a_run_all_of_it(logind: Logind) -> None:
    del logind.people["grace"]
    assert program.main(["--check"]) == program.WOULD_CHANGE
    assert not program.FILES[0].exists()
    assert logind.lingering() == []
    assert logind.main() == program.WOULD_CHANGE
    assert [file.read_text() for file in program.FILES] == ["ada:65601536:65536\nalan:65667072:65536\n"] * 2
    assert logind.asked == [("enable-linger", "ada")], "an account that is closed has nothing running"


def test_a_line_that_is_no_range_stays_and_is_no_error() -> None:
    odd = [
        "",
        "# ada:65601536:65536",
        "ada",
        "ada:65601536",
        "ada:x:65536",
        "ada:-1:65536",
        "ada:1_000:65536",
        "ada::",
        ":1:2",
        f"ada:{'9' * 5000}:65536",
        "admin:100000:65536\r",
        "caf\udce9:1:2:3",
    ]
    text = "".join(f"{line}\n" for line in odd)
    wanted = program.wanted(text, {"ada": 2000})
    assert wanted == f"{text}ada:65601536:65536\n"
    assert program.wanted(wanted, {"ada": 2000}) == wanted
    assert program.wanted(text.removesuffix("\n"), {"ada": 2000}) == wanted


def test_the_longest_range_is_looked_at_in_no_time_and_goes_since_it_overlaps() -> None:
    assert program.wanted("admin:0:9999999999\n", {"ada": 2000}) == "ada:65601536:65536\n"


def test_a_range_that_is_given_to_a_users_uid_is_the_users() -> None:
    assert program.wanted("2000:100000:65536\n", {"ada": 2000}) == "ada:65601536:65536\n"


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
    logind.groups.add(f"/machine/user.slice/user-2000.slice/user@2000.service/{unit}")
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
    assert capsys.readouterr().err.startswith("What containers need could not be given: `loginctl")


def test_the_check_says_what_a_run_would_do(logind: Logind, capsys: pytest.CaptureFixture[str]) -> None:
    program.main(["--check"])
    assert capsys.readouterr().out.splitlines() == [
        f"give users their ids for containers in {program.FILES[0]}",
        f"give users their ids for containers in {program.FILES[1]}",
        "have the user manager of ada run from boot on",
        "have the user manager of grace run from boot on",
    ]
