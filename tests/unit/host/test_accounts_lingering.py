"""An account that gets another name while its user is there, and what of it runs from boot on; logind is a stand-in."""

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
        self.busy, self.dies = 0, -1

    def run(self, *command: str) -> str:
        match command:
            case ["usermod", "--login", new, *_, old]:
                if self.busy:
                    self.busy -= 1
                    raise FailureError("user ana is currently used by process 4711")
                self.accounts[new] = self.accounts.pop(old)
            case ["loginctl", "enable-linger", name]:
                assert name in self.accounts, "logind looks a name up"
                (self.linger / name).touch()
                self.awake.add(name)
        self.count()
        return ""

    def end(self, name: str, uid: int) -> None:
        """As program.end_sessions does."""
        assert uid == UID
        (self.linger / name).unlink(missing_ok=True)
        self.ended.append(name)
        self.count()

    def count(self) -> None:
        self.dies -= 1
        if self.dies == -1:
            raise KilledError

    def rename(self) -> None:
        renaming.rename_account("anna", ("ana", UID), self.end)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    monkeypatch.setattr(renaming, "LINGERING", host.linger)
    monkeypatch.setattr(managers, "GIVEN", host.given)
    monkeypatch.setattr(renaming, "run", host.run)
    monkeypatch.setattr(
        renaming, "fields", lambda file: ([name, "x", str(uid)] for name, uid in host.accounts.items())
    )
    return host


def test_whoever_comes_back_while_what_ran_is_ended_is_ended_again(host: Host) -> None:
    host.busy = 2
    host.rename()
    assert host.ended == ["ana"] * 3
    assert host.accounts == {"anna": UID}
    assert not list(host.linger.iterdir())
    assert host.awake == set()


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("dies", range(4))
def test_what_ran_from_boot_on_does_so_again_wherever_the_run_was_killed(
    host: Host, dies: int, is_ours: bool
) -> None:
    (host.linger / "ana").touch()
    if is_ours:
        managers.note({"ana", "ben"})
    host.dies = dies
    try:
        host.rename()
        assert dies == 3, "more calls than this test knows of"
    except KilledError:
        host.dies = -1
        host.rename()
    assert host.accounts == {"anna": UID}
    assert [path.name for path in host.linger.iterdir()] == ["anna"]
    assert host.awake == {"anna"}
    assert managers.given() == ({"ana", "anna", "ben"} if is_ours else set())
