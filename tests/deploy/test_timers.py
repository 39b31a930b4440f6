"""Schedules of users' own on a host that runs: in the users' own systemd, which is there without them.

A start of the server is stood in by an end and a start of the user's systemd; the mail server is this machine's.
"""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.visitor import Visitor
from tests.listeners import PASSWORD, Mailbox, mail_server, make_ca
from tests.workbench_in_lab import Applied, Workbench
from workbench.host import program_path
from workbench_host.schedules import ADDRESSES, MAIL_SOCKET

pytestmark = pytest.mark.lab

GRACE = "grace@example.org"


def notebook(*cells: str) -> str:
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for source in cells
    ]
    kernel = {"name": "python3", "display_name": "x"}
    return json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4})


def as_user(workbench: Workbench, user: str, command: str, check: bool = True) -> str:
    """What a command says in a login shell of the user's, without a session of logind's."""
    done = workbench.ssh(f"runuser -l {user} -c {shlex.quote(command)} 2>&1", check=check)
    return done.stdout


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.fixture(scope="module")
def box(workbench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    here = workbench.ssh("ip route | awk '/^default/ { print $3 }'").stdout.strip()
    _, pair = make_ca(tmp_path_factory.mktemp("mail"), here)
    with mail_server(here, pair, security="none", auth=False) as box:
        box.here = here  # type: ignore[attr-defined]
        yield box


@pytest.fixture(scope="module")
def on(workbench: Workbench, box: Any) -> Iterator[Applied]:
    users = [
        {**user, **({"email": GRACE} if user["name"] == "grace" else {})} for user in workbench.declared_users
    ]
    mail = {
        "server": box.here, "port": box.port, "security": "none",
        "from": "bench@example.org", "to": ["admin@example.org"],
    }  # fmt: skip
    with workbench.settings(limits={"timers": True}, users=users, alarms={"mail": mail}) as applied:
        applied.require()
        workbench.ssh("systemctl stop 'jupyter-*-singleuser.service'")  # which were started without
        try:
            yield applied
        finally:
            for name in ("job", "note", "greedy", "missed", "last"):
                as_user(workbench, "grace", f"workbench-schedule remove {name}", check=False)
            as_user(
                workbench,
                "grace",
                "rm -rf ~/schedules ~/work; systemctl --user stop --all 'sleep*'",
                check=False,
            )
    assert workbench.ssh("ls /var/lib/systemd/linger").stdout == "", "taken out of the settings it is gone"
    said = as_user(
        workbench, "grace", "workbench-schedule add x weekly true; loginctl enable-linger", check=False
    )
    assert "the setting limits.timers" in said
    assert workbench.ssh("ls /var/lib/systemd/linger").stdout == "", "nobody gives it to themselves"
    assert workbench.ssh(f"test -e {MAIL_SOCKET}", check=False).returncode == 1


def last(workbench: Workbench, name: str) -> dict[str, str]:
    told = as_user(workbench, "grace", f"cat ~/schedules/{name}/LAST 2> /dev/null", check=False)
    return dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)


def test_everybody_has_a_systemd_without_being_there_and_finds_it_everywhere(
    workbench: Workbench, on: Applied
) -> None:
    assert workbench.apply().changed == []
    uid = workbench.ssh("id -u grace").stdout.strip()
    assert "active" in workbench.ssh(f"systemctl is-active user@{uid}.service").stdout
    groups = workbench.ssh(f"systemctl show -p ControlGroup user@{uid}.service").stdout
    assert f"/user.slice/user-{uid}.slice/" in groups, "so that the user's limits hold"
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        code = """
import os, subprocess
def said(line): return subprocess.run(line.split(), capture_output=True, text=True).stdout.strip()
print(os.environ["XDG_RUNTIME_DIR"], said("systemctl --user is-system-running"))
print(said("systemd-run --user --wait --pipe --quiet echo by the bus"))
"""
        assert visitor.run_code(code).split() == [f"/run/user/{uid}", "running", "by", "the", "bus"]
        shown = visitor.type_in_terminal("systemctl --user is-system-running; echo done$((1+1))", "done2")
        assert "running" in shown
    rsession = f"from workbench_host import managers; print(managers.variables('grace', {uid}))"
    said = workbench.ssh(f'cd /usr/local/lib/workbench/host && python3 -c "{rsession}"').stdout
    assert f"unix:path=/run/user/{uid}/bus" in said, "what RStudio's sessions are given (rsession.py)"


def test_an_idle_systemd_is_nobody_at_work(workbench: Workbench, on: Applied) -> None:
    workbench.ssh("systemctl stop 'jupyter-*-singleuser.service'")
    uid = workbench.ssh("id -u grace").stdout.strip()
    until(lambda: workbench.ssh(f"ps -u {uid} -o comm=").stdout.split()[0] == "systemd", 10, "no manager")
    told = json.loads(workbench.ssh(f"{program_path('activity')} --json").stdout)
    assert "grace" not in [person["user"] for person in told["people"]]
    people = json.loads(workbench.ssh(program_path("people")).stdout)["users"]
    assert [one["sessions"]["processes"] for one in people if one["name"] == "grace"] == [0]


def test_a_script_runs_at_its_time_counts_as_work_and_is_mailed_when_it_fails(
    workbench: Workbench, on: Applied, box: Mailbox
) -> None:
    as_user(workbench, "grace", "mkdir -p ~/work; printf 'echo begun; sleep 4; pwd; exit 3' > ~/work/job.sh")
    said = as_user(workbench, "grace", "cd ~/work && workbench-schedule add job minutely job.sh")
    assert "job runs at" in said
    assert "never" in as_user(workbench, "grace", "workbench-schedule add x 2020-01-01 true", check=False)
    unit = "systemctl --user start --no-block workbench-schedule@job.service"
    as_user(workbench, "grace", f"XDG_RUNTIME_DIR=/run/user/$(id -u) {unit}")
    until(lambda: last(workbench, "job").get("result") == "running", 10, "it does not begin")
    told = json.loads(workbench.ssh(f"{program_path('activity')} --json").stdout)
    assert ("grace", True) in [(one["user"], one["computing"]) for one in told["people"]]
    assert "runs already" in as_user(workbench, "grace", "workbench-schedule run job", check=False)
    until(lambda: last(workbench, "job").get("result") == "failed with status 3", 15, "it does not end")
    shown = as_user(workbench, "grace", "workbench-schedule logs job")
    assert "begun\n/home/grace/work\n" in shown
    until(lambda: len(box.mails) > 0, 10, "nothing was mailed")
    mail = box.mails[0]
    assert (mail["To"], mail["Subject"].endswith("schedule job: failed")) == (GRACE, True)
    assert "failed with status 3" in as_user(workbench, "grace", "workbench-schedule list")
    as_user(workbench, "grace", "workbench-schedule remove job")


def test_a_notebook_is_kept_with_what_its_cells_said_also_where_one_fails(
    workbench: Workbench, on: Applied
) -> None:
    text = notebook("print(6 * 7); open('made.txt', 'w').write('x')", "1 / 0", "print('never')")
    as_user(workbench, "grace", f"mkdir -p ~/work; printf %s {shlex.quote(text)} > ~/work/note.ipynb")
    as_user(workbench, "grace", "cd && workbench-schedule add note weekly work/note.ipynb")
    assert "failed with status 1" in as_user(workbench, "grace", "workbench-schedule run note", check=False)
    told = last(workbench, "note")
    kept = json.loads(as_user(workbench, "grace", f"cat ~/schedules/note/{told['notebook']}"))
    outputs = [cell["outputs"] for cell in kept["cells"]]
    assert outputs[0][0]["text"] in ("42\n", ["42\n"])
    assert (outputs[1][0]["ename"], outputs[2]) == ("ZeroDivisionError", [])
    assert "ZeroDivisionError" in as_user(workbench, "grace", "workbench-schedule logs note")
    assert as_user(workbench, "grace", "cat ~/work/made.txt") == "x", "it ran in its own folder"


def test_a_run_that_was_missed_happens_after_the_start(workbench: Workbench, on: Applied) -> None:
    as_user(workbench, "grace", "cd && workbench-schedule add missed yearly true")
    assert last(workbench, "missed") == {}, "it is not missed since it was added"
    unit = "workbench-schedule@missed.timer"
    stamp = f"/home/grace/.local/share/systemd/timers/stamp-{unit}"
    workbench.ssh(
        f"systemctl stop user@$(id -u grace); touch -d '2 years ago' {stamp}; "
        f"sed -i 's/^RandomizedDelaySec=.*/RandomizedDelaySec=1/' /home/grace/.config/systemd/user/{unit}; "
        "systemctl start user@$(id -u grace)"
    )
    until(lambda: last(workbench, "missed").get("result") == "ok", 30, "it was not made up for")


def test_nobody_reads_the_password_and_the_addresses_or_reaches_another_users_systemd(
    workbench: Workbench, on: Applied
) -> None:
    uid = workbench.ssh("id -u ada").stdout.strip()
    tried = f"""
    cat {ADDRESSES}; cat /etc/workbench/alarms/*; ls /run/credentials/workbench-schedule-mail.service
    XDG_RUNTIME_DIR=/run/user/{uid} systemctl --user list-timers
    systemctl --user --machine=ada@.host list-timers
    ls /home/ada/schedules /home/ada/.config/systemd
    loginctl enable-linger ada
    loginctl disable-linger ada
    """
    said = as_user(workbench, "grace", tried, check=False)
    assert "OnCalendar" not in said
    assert "timers listed" not in said
    assert GRACE not in said
    assert PASSWORD not in said
    assert workbench.ssh("ls /var/lib/systemd/linger").stdout.split() == sorted(
        user["name"] for user in workbench.declared_users if not user.get("removed")
    )


@pytest.mark.long
def test_an_account_that_is_closed_runs_nothing_and_once_open_again_has_its_schedules(
    workbench: Workbench, on: Applied
) -> None:
    uid = workbench.ssh("id -u grace").stdout.strip()
    as_user(workbench, "grace", "cd && workbench-schedule add last minutely 'sleep 600'")
    as_user(
        workbench,
        "grace",
        "XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user start --no-block workbench-schedule@last.service",
    )
    until(lambda: last(workbench, "last").get("result") == "running", 10, "it does not begin")
    others = [user for user in workbench.declared_users if user["name"] != "grace"]
    with workbench.settings(users=others) as applied:
        applied.require()
        assert workbench.ssh(f"ps -u {uid} -o comm=", check=False).stdout == ""
        assert "grace" not in workbench.ssh("ls /var/lib/systemd/linger /var/lib/workbench").stdout.split()
        assert workbench.ssh(f"systemctl is-active user@{uid}", check=False).stdout.strip() == "inactive"
    assert "last" in as_user(workbench, "grace", "workbench-schedule list")
