"""The administrator's notices: `grace` would give one, hide one or hold it up; an escape sequence would pass."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.attacks.people import by_grace
from tests.workbench_in_lab import Workbench
from workbench.host import program_path

pytestmark = pytest.mark.lab

NOTICE = program_path("notice")
FILES = (
    "/run/workbench /run/workbench/notice.json /run/workbench/notice.txt /run/workbench/notice "
    "/run/workbench/notice.lock "
    "/etc/workbench/notice /etc/profile.d/workbench-notice.sh /usr/local/share/jupyter/labextensions/workbench-notice "
    "/usr/local/share/jupyter/labextensions/workbench-notice/static/notice.js /usr/local/share/workbench/site/notice.js"
)
# A terminal that reads, one stopped as by Ctrl-S, and one that is full since nobody reads; what came to the first.
TERMINALS = """
import os, pty, sys, termios, time, tty
first, stopped, full = (pty.openpty() for _ in range(3))
for _, slave in (first, stopped, full):
    tty.setraw(slave)
termios.tcflow(stopped[1], termios.TCOOFF)
os.set_blocking(full[1], False)
try:
    while True:
        os.write(full[1], bytes(4096))
except BlockingIOError:
    pass
print("ready", flush=True)
said, until = b"", time.monotonic() + 15
os.set_blocking(first[0], False)
while b"END" not in said and time.monotonic() < until:
    try:
        said += os.read(first[0], 65536)
    except BlockingIOError:
        time.sleep(0.05)
print(said)
"""


@pytest.fixture
def nothing_is_left(workbench: Workbench) -> Iterator[None]:
    yield
    workbench.ssh(f"{NOTICE} clear")


def test_nobody_but_root_gives_a_notice_or_changes_one(workbench: Workbench, nothing_is_left: None) -> None:
    workbench.ssh(f"{NOTICE} set mine")
    missing = workbench.ssh(f"for at in {FILES}; do [ -e $at ] || echo $at; done").stdout
    assert missing == ""
    said = by_grace(workbench, f"for at in {FILES}; do [ -w $at ] && echo $at; done; echo looked")
    assert said == "looked\n"
    # Who held the lock would keep the administrator waiting.
    assert "Permission denied" in by_grace(workbench, "flock -n /run/workbench/notice.lock true")
    for arguments in ("set hers", "clear", "apply"):
        assert "Only root may give a notice" in by_grace(workbench, f"{NOTICE} {arguments}")
    for method in ("PUT", "POST", "DELETE"):
        answer = httpx.request(method, f"{workbench.url}notice.json", verify=False, content=b"{}")
        assert answer.status_code >= 400, method
    answer = httpx.get(
        f"{workbench.url}notice.json", verify=False, headers={"Origin": "https://evil.example"}
    )
    assert answer.json() == {"notices": ["mine"]}
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_no_program_lets_a_user_write_to_others_terminals(workbench: Workbench) -> None:
    """`wall` and `write` with the group tty, as they were when CVE-2024-28085 was found."""
    assert workbench.ssh("find /usr /opt -xdev -type f -perm /6000 -group tty").stdout == ""


def test_escape_sequences_do_not_pass_and_stopped_terminals_keep_nobody_waiting(
    workbench: Workbench, nothing_is_left: None
) -> None:
    workbench.ssh(
        f"cat > /run/terminals.py <<'EOF'\n{TERMINALS}\nEOF\n"
        "runuser -u grace -- python3 - < /run/terminals.py > /run/terminals.said 2>&1 & "
        "until grep -q ready /run/terminals.said; do sleep 0.1; done"
    )
    begun = time.monotonic()
    escapes = "\\033]0;title\\007\\033[2J\\233\\063\\061m\\302\\233\\063\\061m\\342\\200\\256"
    told = workbench.ssh(f"{NOTICE} set \"$(printf 'red{escapes}END')\"").stdout
    assert time.monotonic() - begun < 5
    assert json.loads(told)["terminals"] >= 3
    workbench.ssh("until grep -q ^b /run/terminals.said; do sleep 0.1; done")
    said = workbench.ssh("tail -n 1 /run/terminals.said; rm /run/terminals.*").stdout
    assert "Notice from the administrator: red" in said
    assert "END" in said
    assert "\\x" not in said  # as Python shows what is no printable ASCII
    shown = httpx.get(f"{workbench.url}notice.json", verify=False).json()["notices"]
    assert [text.isprintable() for text in shown] == [True]
