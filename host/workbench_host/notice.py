"""notice set TEXT | clear | coming SECONDS TEXT | over | apply

The administrator's notices: what people see on all pages of the workbench that are open, and in their terminals.

There are at most three. One is the setting `services.proxy.notice`, which lasts as long as it is set; the deploy writes
it to /etc/workbench/notice. One is of the moment: `set` gives it, in the place of the one before, and `clear` takes it
back; it goes with a restart of the server, which is what most of them are about. One is a command's that is about to
stop the server: `coming` gives it and `over` takes it back; where nobody does, as after a kill, it goes by itself after
so many seconds. All are shown, the command's first and the setting's last. `apply` changes none and has everybody see
what stands, at boot, and after the setting was changed. All print {"notices": [text, ...], "terminals": how many were
told}.

/run/workbench/notice.json (0644), {"notices": [text, ...]}, is what pages ask for every few seconds, by way of Caddy;
notice.txt is the same for terminals that are opened later. Those that are open are told of each once, when it comes
and when it goes: notice.told (root only) has what they were told, so that a run that died before it told them is made
good by the next one.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from workbench_host import tools
from workbench_host.terminals import plain, tell
from workbench_host.tools import FailureError, alone, run, write

SETTING = Path(tools.CONFIG) / "notice"
FOLDER = Path("/run/workbench")
MOMENT, COMING = "notice", "coming"  # the files of the two that are no setting
USAGE = "notice takes set and a text, clear, coming with seconds and a text, over, or apply."
LENGTH = 500  # characters, as the settings have it (workbench/checks.py)
CAME, WENT = "Notice from the administrator: {}", "The administrator took a notice back: {}"
LOCK_SECONDS = 20.0


def line(text: str) -> str:
    """What is shown of a text: one line, no longer than that, of nothing that a terminal could take for a command."""
    return " ".join(plain(text).split())[:LENGTH].strip()


def standing() -> list[str]:
    """The notices that are to be seen."""
    texts = (coming(), *(line(_text(path)) for path in (FOLDER / MOMENT, SETTING)))
    return list(dict.fromkeys(text for text in texts if text))


def coming() -> str:
    """The notice of the command that is about to stop the server, unless its time is over."""
    until, _, text = _text(FOLDER / COMING).partition("\n")
    return line(text) if until and float(until) > time.time() else ""


def end_in(seconds: int) -> None:
    """Has everybody see what stands then, whatever becomes of who has asked for it. Raises FailureError."""
    run(
        "systemd-run", "--quiet", "--collect", f"--on-active={seconds}", "--timer-property=AccuracySec=1s",
        sys.argv[0], "apply",
    )  # fmt: skip


def apply() -> int:
    """Has everybody see what stands; how many terminals were told of what came or went."""
    notices = standing()
    write(FOLDER / "notice.json", json.dumps({"notices": notices}))
    write(FOLDER / "notice.txt", "".join(f"{CAME.format(text)}\n" for text in notices))
    told = json.loads(_text(FOLDER / "notice.told") or "[]")
    news = [CAME.format(text) for text in notices if text not in told]
    news += [WENT.format(text) for text in told if text not in notices]
    terminals = tell(news) if news else 0
    write(FOLDER / "notice.told", json.dumps(notices), 0o600)
    return terminals


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def renewed(notice: str | None, text: str = "") -> int:
    """Takes a notice in the place of the one of its kind, an empty one for none, and has everybody see it.

    With None for the kind all stay as they are. Gives back how many terminals were told.
    """
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    with alone(FOLDER / "notice.lock", LOCK_SECONDS):
        if notice is not None:
            write(FOLDER / notice, text, 0o600)
        return apply()


def main(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["set", text] if line(text):
            new: tuple[str | None, str] = MOMENT, line(text)
        case ["clear"]:
            new = MOMENT, ""
        case ["coming", seconds, text] if line(text) and seconds.isascii() and seconds.isdecimal():
            new = COMING, f"{time.time() + int(seconds)}\n{line(text)}"
        case ["over"]:
            new = COMING, ""
        case ["apply"]:
            new = None, ""
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    if os.geteuid() != 0:
        print("Only root may give a notice or take it back; run it with sudo.", file=sys.stderr)
        return 1
    try:
        if arguments[0] == COMING:
            end_in(int(arguments[1]) + 1)
        terminals = renewed(*new)
    except (FailureError, OSError) as error:
        print(f"Notice: {tools.reason(error)}.", file=sys.stderr)
        return 1
    print(json.dumps({"notices": standing(), "terminals": terminals}))
    return 0
