"""The notices: what stands, who is told of it and when; and terminals, which are real ones of this machine's kernel."""

import json
import os
import pty
import stat
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workbench import checks
from workbench_host import notice, processes, terminals

AT_ONCE = 1.0  # seconds; what would block does so for ever
ESCAPES = "\x1b]0;mine\x07\x1b[2J\x1b[31m\x9b31mred\x90q\x9c\r\n\x08\x00\x85\u2028\u202e\u200b"


@dataclass
class Terminals:
    """Terminals of the test's own, which are all that the program finds."""

    masters: list[int] = field(default_factory=list)
    slaves: list[int] = field(default_factory=list)

    def open(self) -> int:
        """Another one; its place among them."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.masters.append(master)
        self.slaves.append(slave)
        return len(self.masters) - 1

    def names(self) -> list[str]:
        return [Path(os.ttyname(slave)).name for slave in self.slaves]

    def said(self, which: int = 0) -> str:
        """What came to it since it was last asked."""
        try:
            return os.read(self.masters[which], 65536).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminals]:
    made = Terminals()
    monkeypatch.setattr(terminals, "PEOPLE", {os.getuid()})
    monkeypatch.setattr(terminals, "names", made.names)
    yield made
    for descriptor in (*made.masters, *made.slaves):
        os.close(descriptor)


@pytest.fixture
def host(screens: Terminals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of the program, and one terminal that is open."""
    monkeypatch.setattr(notice, "SETTING", tmp_path / "setting")
    monkeypatch.setattr(notice, "FOLDER", tmp_path / "run")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    screens.open()
    return tmp_path


def public(host: Path) -> list[str]:
    found: list[str] = json.loads((host / "run" / "notice.json").read_text())["notices"]
    return found


def test_a_notice_is_to_be_seen_and_told_once_and_so_is_its_end(
    host: Path, screens: Terminals, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notice.main(["set", "Back at  six\n"]) == 0
    assert json.loads(capsys.readouterr().out) == {"notices": ["Back at six"], "terminals": 1}
    assert public(host) == ["Back at six"]
    assert screens.said() == "\r\nNotice from the administrator: Back at six\r\n"
    for arguments in (["set", "Back at six"], ["apply"]):
        assert notice.main(arguments) == 0
        assert screens.said() == ""
    assert notice.main(["clear"]) == 0
    assert public(host) == []
    assert screens.said() == "\r\nThe administrator took a notice back: Back at six\r\n"
    assert notice.main(["clear"]) == 0
    assert screens.said() == ""


def test_the_settings_notice_stays_beside_that_of_the_moment(host: Path, screens: Terminals) -> None:
    (host / "setting").write_text("Course on Friday")
    notice.main(["apply"])
    notice.main(["set", "Back at six"])
    assert public(host) == ["Back at six", "Course on Friday"]
    assert (host / "run" / "notice.txt").read_text().count("\n") == 2
    screens.said()
    notice.main(["set", "Back at seven"])
    assert public(host) == ["Back at seven", "Course on Friday"]
    assert [line for line in screens.said().splitlines() if line] == [
        "Notice from the administrator: Back at seven",
        "The administrator took a notice back: Back at six",
    ]
    (host / "setting").write_text("")
    notice.main(["apply"])
    assert public(host) == ["Back at seven"]
    (host / "setting").write_text("Back at seven")
    notice.main(["apply"])
    assert public(host) == ["Back at seven"]  # once


def test_a_commands_notice_stands_beside_the_administrators_and_ends_by_itself(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(notice, "run", lambda *command: ran.append(command))
    notice.main(["set", "Course on Friday"])
    notice.main(["coming", "300", "It stops at six"])
    assert public(host) == ["It stops at six", "Course on Friday"]
    assert [ran[0][0], ran[0][-1], "--on-active=301" in ran[0]] == ["systemd-run", "apply", True]
    notice.main(["over"])
    assert public(host) == ["Course on Friday"]
    notice.main(["coming", "300", "It stops at seven"])
    now = time.time()
    monkeypatch.setattr(notice.time, "time", lambda: now + 301)
    notice.main(["apply"])  # as by the timer, of a command that was killed
    assert public(host) == ["Course on Friday"]


def test_a_notice_that_would_not_end_by_itself_is_not_told(
    host: Path, screens: Terminals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: str) -> str:
        raise notice.FailureError("`systemd-run` failed with status 1: no")

    monkeypatch.setattr(notice, "run", refuse)
    assert notice.main(["coming", "300", "It stops at six"]) == 1
    assert screens.said() == ""


def test_a_run_that_died_before_it_told_terminals_is_made_good_by_the_next(
    host: Path, screens: Terminals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(notice, "tell", die)
        with pytest.raises(KeyboardInterrupt):
            notice.main(["set", "Back at six"])
    assert screens.said() == ""
    assert notice.main(["apply"]) == 0
    assert "Back at six" in screens.said()


def test_everybody_reads_what_is_said_and_only_root_writes_it(host: Path) -> None:
    old = os.umask(0o077)
    try:
        notice.main(["set", "Back at six"])
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (host / "run").iterdir()}
    readable = {name for name, mode in modes.items() if mode == 0o644}
    assert readable == {"notice.json", "notice.txt"}
    assert {modes[name] for name in modes.keys() - readable} == {0o600}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["set"],
        ["set", ""],
        ["set", " \x1b\n"],
        ["set", "a", "b"],
        ["show"],
        ["coming", "x", "a"],
        ["coming", "5"],
    ],
)
def test_what_is_no_notice_is_refused(
    host: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert notice.main(arguments) == 2
    assert capsys.readouterr().err == f"{notice.USAGE}\n"
    assert not (host / "run").exists()


def test_nobody_but_root_gives_one(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2000)
    assert notice.main(["set", "mine"]) == 1
    assert not (host / "run").exists()


def test_escape_sequences_pass_neither_to_pages_nor_to_terminals(host: Path, screens: Terminals) -> None:
    """As `wall` let them (CVE-2024-28085), whoever wrote the text and by whichever way."""
    (host / "setting").write_text(f"of the setting {ESCAPES}")
    notice.main(["set", f"of the command {ESCAPES}{'x' * 900}"])
    for text in (screens.said().replace("\r\n", ""), *public(host)):
        assert text.isprintable()
    assert max(len(text) for text in public(host)) == notice.LENGTH == checks.NOTICE_LENGTH


def test_a_line_of_the_settings_is_shown_as_it_is() -> None:
    for text in ("Größe: 3 € & <b>", "维护", "a b"):
        assert notice.line(checks.notice(text)) == text


def test_a_terminal_that_is_stopped_or_full_keeps_nobody_waiting(screens: Terminals) -> None:
    stopped, full, last = screens.open(), screens.open(), screens.open()
    termios.tcflow(screens.slaves[stopped], termios.TCOOFF)  # as Ctrl-S does
    os.set_blocking(screens.slaves[full], False)
    with suppress(BlockingIOError):
        while True:  # whose output nobody reads
            os.write(screens.slaves[full], bytes(4096))
    begun = time.monotonic()
    assert terminals.tell(["hello"]) == 3
    assert time.monotonic() - begun < AT_ONCE
    assert screens.said(last) == "\r\nhello\r\n"
    termios.tcflow(screens.slaves[stopped], termios.TCOON)
    assert screens.said(stopped) == ""


def test_what_is_no_terminal_of_a_persons_is_not_written_to(
    screens: Terminals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screens.open()
    real = os.ttyname(screens.slaves[0])
    (tmp_path / "1").touch()
    (tmp_path / "2").symlink_to(real)
    os.mkfifo(tmp_path / "3")
    (tmp_path / "4").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(terminals, "TERMINALS", tmp_path)
        patch.setattr(terminals, "names", lambda: ["1", "2", "3", "4"])
        assert terminals.tell(["hello"]) == 0
    assert (tmp_path / "1").read_text() == screens.said() == ""
    monkeypatch.setattr(terminals, "PEOPLE", {os.getuid() + 1})
    assert terminals.tell(["hello"]) == 0
    assert screens.said() == ""


def test_people_are_the_declared_users_and_the_administrator() -> None:
    assert min(terminals.PEOPLE) == processes.ADMIN_UID
    assert set(processes.USER_UIDS) | {processes.ADMIN_UID} == set(terminals.PEOPLE)


def test_the_terminal_that_tmux_draws_is_left_to_it(
    screens: Terminals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In which a line in between would stay as a blot; the terminals in it are told."""
    drawn, inside = screens.open(), screens.open()
    device = os.fstat(screens.slaves[drawn]).st_rdev
    major, minor = os.major(device), os.minor(device)
    number = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    for pid, command, foreground in (("7", "tmux: client", 7), ("8", "bash", 7)):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(
            f"{pid} ({command}) S 1 {pid} {pid} {number} {foreground} {'0 ' * 44}"
        )
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    assert list(terminals.multiplexed()) == [(os.getuid(), device)]
    assert terminals.tell(["hello"]) == 1
    assert (screens.said(drawn), screens.said(inside)) == ("", "\r\nhello\r\n")
    # Of somebody else's, whose terminals of the same numbers may be in a devpts of their own.
    monkeypatch.setattr(terminals, "multiplexed", lambda: [(os.getuid() + 1, device)])
    assert terminals.tell(["hello"]) == 2


def test_what_the_kernel_says_of_a_process_is_read(screens: Terminals) -> None:
    screens.open()
    script = f"exec < {os.ttyname(screens.slaves[0])}; exec sleep 60"
    with subprocess.Popen(["setsid", "sh", "-c", script]) as child:
        try:
            device = os.fstat(screens.slaves[0]).st_rdev
            until = time.monotonic() + 5
            while (found := processes.stat_of(child.pid)) is None or found.terminal != device:
                assert time.monotonic() < until
                time.sleep(0.02)
            assert (found.parent, found.session) == (os.getpid(), child.pid)
        finally:
            child.kill()
    assert processes.stat_of(child.pid) is None
