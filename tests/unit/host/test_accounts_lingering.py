"""An account that gets another name while its user is there, and what of it runs from boot on; logind is a stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench_host import managers
from workbench_host.accounts import renaming
from workbench_host.tools import FailureError

UID = 2000


class KilledError(BaseException):
    """What kill -9 is to a program, as far as a test can tell."""


class Host:
    """The account `ana`: usermod and loginctl, of which the call number `dies` does its work and is the last one."""

    def __init__(self, folder: Path) -> None:
        self.linger, self.given = folder / "linger", folder / "given"
        self.linger.mkdir()
        self.accounts, self.awake, self.ended = {"ana": UID}, set[str](), list[str]()
        self.busy, self.dies, self.dead = 0, -1, False
        self.expires, self.shell = "", "/bin/bash"

    def fields(self, file: str) -> Iterator[list[str]]:
        """As /etc has them: passwd(5), shadow(5), group(5)."""
        for name, uid in self.accounts.items():
            rest = ["", "", "", "", "", self.expires, ""] if file == "shadow" else ["", "", "", self.shell]
            yield [name, "x", *rest] if file == "shadow" else [name, "x", str(uid), *rest]

    def run(self, *command: str) -> str:
        if self.dead:
            raise KilledError  # whoever is killed cleans nothing up
        match command:
            case ["usermod", "--login", new, *_, old]:
                if self.busy:
                    self.busy -= 1
                    raise FailureError("user ana is currently used by process 4711")
                assert self.expires == "1", "who is ended could else come back"
                self.accounts[new] = self.accounts.pop(old)
            case ["usermod", "--expiredate", until, name]:
                assert name in self.accounts
                self.expires = until
            case ["loginctl", "enable-linger", name]:
                assert name in self.accounts, "logind looks a name up"
                (self.linger / name).touch()
                self.awake.add(name)
        self.count()
        return ""

    def end(self, name: str, uid: int) -> None:
        """As ending.end_sessions does."""
        assert uid == UID
        assert self.expires == "1"
        (self.linger / name).unlink(missing_ok=True)
        self.ended.append(name)
        self.count()

    def count(self) -> None:
        self.dies -= 1
        if self.dies == -1:
            self.dead = True
            raise KilledError

    def rename(self) -> None:
        renaming.rename_account("anna", ("ana", UID), self.end)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    monkeypatch.setattr(renaming, "LINGERING", host.linger)
    monkeypatch.setattr(managers, "GIVEN", host.given)
    monkeypatch.setattr(renaming, "run", host.run)
    monkeypatch.setattr(renaming, "fields", host.fields)
    monkeypatch.setattr(renaming, "KEYS", str(tmp_path))
    return host


def test_whoever_comes_back_while_what_ran_is_ended_is_ended_again(host: Host) -> None:
    host.busy = 2
    host.rename()
    assert host.ended == ["ana"] * 3
    assert host.accounts == {"anna": UID}
    assert not list(host.linger.iterdir())
    assert host.awake == set()
    assert host.expires == ""


@pytest.mark.parametrize("until", ["", "40000"])
def test_a_rename_that_fails_opens_the_account_again_as_it_was(host: Host, until: str) -> None:
    host.expires, host.busy = until, 3
    with pytest.raises(FailureError, match="process 4711"):
        host.rename()
    assert (host.accounts, host.expires) == ({"ana": UID}, until)
    host.rename()
    assert (host.accounts, host.expires) == ({"anna": UID}, until)


def test_an_account_that_is_closed_stays_so_and_nothing_of_it_runs_from_boot_on(host: Host) -> None:
    host.expires, host.shell = "1", "/usr/sbin/nologin"
    (host.linger / "anna").touch()  # from a run that was killed before it was to be closed
    host.rename()
    assert (host.accounts, host.expires) == ({"anna": UID}, "1")
    assert not list(host.linger.iterdir())
    assert host.awake == set()


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("dies", range(6))
def test_what_ran_from_boot_on_does_so_again_wherever_the_run_was_killed(
    host: Host, dies: int, is_ours: bool
) -> None:
    (host.linger / "ana").touch()
    if is_ours:
        managers.note({"ana", "ben"})
    host.dies = dies
    try:
        host.rename()
        assert dies == 5, "more calls than this test knows of"
    except KilledError:
        host.dies, host.dead = -1, False
        host.rename()
    assert host.accounts == {"anna": UID}
    assert [path.name for path in host.linger.iterdir()] == ["anna"]
    assert host.awake == {"anna"}
    assert managers.given() == ({"ana", "anna", "ben"} if is_ours else set())
    assert host.expires == ("1" if dies < 3 else ""), "killed in between it is the plan that opens it again"
