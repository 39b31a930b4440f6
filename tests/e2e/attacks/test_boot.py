"""What holds after a boot at which a user is there before the services: grace's own unit, which logind starts, squats.

She has no more than an account; that she lingers is the administrator's doing, as some have it for their users' timers.
"""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator

import pytest

from lab.visitor import Visitor
from tests.e2e.attacks.people import EVERYBODY, as_user
from tests.workbench_in_lab import Workbench
from workbench.settings.services import JupyterHub, RStudio

pytestmark = pytest.mark.lab

BOOT_SECONDS = 300
HERS = (
    8000,
    8001,
    8081,
    8787,
    3838,
)  # where the parts listened once, or do by default: above 1024 all are users'
NOT_HERS = (22, 80, 87, 443)
SERVED = {  # a socket that stands on the lab's workbench, where RStudio is off -> the unit whose it is
    JupyterHub.socket: "jupyterhub-proxy.service",
    "/run/jupyterhub-proxy/api.sock": "jupyterhub-proxy.service",
    "/run/jupyterhub/hub.sock": "jupyterhub.service",
    "/run/caddy/jupyterhub.sock": "caddy.service",
    "/run/caddy/admin.sock": "caddy.service",
    "/run/fail2ban/fail2ban.sock": "fail2ban.service",
}
SOCKETS = (*SERVED, RStudio.judge.socket, RStudio.sign_in.socket, "/run/workbench-apps/2001/apps.sock")
FOLDER = "/home/grace/squat"
# A file of hers in a folder that she shares, and a second name of it where she may write: by it she would go on
# changing the file after leaving the group.
SHARED, KEPT = f"{EVERYBODY}/run.sh", "/srv/workbench/tmp/grace/kept"
UNITS = "/home/grace/.config/systemd/user"
# Tries all places again and again, says which it has, and answers there.
SQUAT = f"""
import os, socket, threading, time
from pathlib import Path

def answer(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nsquatted")

def taken(place):
    if isinstance(place, int):
        return socket.create_server(("", place), family=socket.AF_INET6, dualstack_ipv6=True)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()
    return listener

had, rounds = set(), 0
while True:
    try:
        os.link("{SHARED}", "{KEPT}")
        had.add("link")
    except OSError:
        pass
    for place in {[*HERS, *NOT_HERS, *SOCKETS]!r}:
        if place not in had:
            try:
                listener = taken(place)
            except OSError:
                continue
            had.add(place)
            threading.Thread(target=answer, args=(listener,), daemon=True).start()
    rounds += 1
    Path("{FOLDER}/new").write_text(" ".join([str(rounds), *map(str, had)]))
    os.replace("{FOLDER}/new", "{FOLDER}/had")
    time.sleep(0.05)
"""
UNIT = f"""[Service]
ExecStart=/usr/bin/python3 {FOLDER}/squat.py
[Install]
WantedBy=default.target
"""
PREPARE = f"""mkdir -p {FOLDER} {UNITS}/default.target.wants
echo true > {SHARED}
printf %s {shlex.quote(SQUAT)} > {FOLDER}/squat.py
printf %s {shlex.quote(UNIT)} > {UNITS}/squat.service
ln -sf ../squat.service {UNITS}/default.target.wants/squat.service
"""
PUT_BACK = "loginctl disable-linger grace; systemctl stop user@$(id -u grace).service"
REMOVE = f"rm -rf {SHARED} {KEPT} {FOLDER} {UNITS}/squat.service {UNITS}/default.target.wants/squat.service"
BEGAN = "ps -o lstart= -p 1"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(1)


@pytest.fixture(scope="module")
def booted(workbench: Workbench) -> Iterator[Workbench]:
    """The workbench after a boot with her unit, whose services say that they are up."""
    assert as_user(workbench, "grace", PREPARE) == ""
    workbench.ssh("loginctl enable-linger grace")
    try:
        before = workbench.ssh(BEGAN).stdout
        workbench.ssh("systemctl reboot", check=False)
        wait_until(
            lambda: workbench.ssh(BEGAN, check=False).stdout not in ("", before), "it did not come back"
        )
        wait_until(lambda: set(states(workbench).values()) == {"up"}, "not all services are up")
        wait_until(lambda: len(had(workbench)) > len(HERS), "her unit did not run")
        yield workbench
    finally:
        workbench.ssh(PUT_BACK)
        as_user(workbench, "grace", REMOVE)


def states(workbench: Workbench) -> dict[str, str]:
    """How each service is; none while the server does not tell."""
    told = json.loads(workbench.command("status", "--json", check=False).stdout or "{}")
    return {name: service["state"] for name, service in told.get("services", {}).items()}


def had(workbench: Workbench) -> list[str]:
    """How often she tried all places since the boot, and those that she has; nothing before she tried."""
    since = f'test $(stat -c %Y {FOLDER}/had) -ge $(date -d "$({BEGAN})" +%s)'
    return workbench.ssh(f"{since} && cat {FOLDER}/had", check=False).stdout.split()


def unit_at(workbench: Workbench, listener: str) -> set[str]:
    """The units of all who listen in this line of what ss says."""
    pids = sorted(set(re.findall(r"pid=(\d+)", listener)))
    return set(workbench.ssh(f"ps -o unit= -p {','.join(pids)}").stdout.split()) if pids else set()


def test_she_had_her_chance_and_got_no_place_of_the_hosts(booted: Workbench) -> None:
    rounds, *places = had(booted)
    assert int(rounds) > 0
    assert set(places) == {str(port) for port in HERS}, (
        "above 1024 they are free, and nothing of ours is there"
    )


def test_temporary_files_and_shared_folders_are_as_they_were_mounted_before(booted: Workbench) -> None:
    """Who leaves a group keeps nothing of it (test_leaving.py); she got no link above, and tried all the time."""
    options = booted.ssh(
        "findmnt -no VFS-OPTIONS -M /tmp; findmnt -no VFS-OPTIONS -M /var/tmp"
    ).stdout.split()
    assert [{"nosuid", "nodev"} <= set(one.split(",")) for one in options] == [True, True]
    assert booted.ssh(f"findmnt -no TARGET -M {EVERYBODY}").stdout.strip() == EVERYBODY
    assert booted.ssh("systemctl is-active workbench-shared.service").stdout.strip() == "active"


def test_in_each_place_the_right_program_answers(booted: Workbench) -> None:
    for port, unit in ((80, "caddy.service"), (443, "caddy.service")):
        said = booted.ssh(f"ss -Hltnp 'sport = :{port}'").stdout
        assert unit_at(booted, said) == {unit}, (port, said)
    for path, unit in SERVED.items():
        # Some have a network of their own, in which alone their sockets are listed.
        inside = f"nsenter --net --target $(systemctl show -p MainPID --value {unit})"
        sockets = booted.ssh(f"{inside} ss -Hlxp").stdout.splitlines()
        [line] = [line for line in sockets if path in line.split()]
        assert unit_at(booted, line) == {unit}, line


def test_others_log_in_and_compute_and_no_unit_failed(booted: Workbench) -> None:
    with Visitor(booted.url, booted.ca) as ada:
        ada.login("ada", booted.password("ada"))
        ada.spawn()
        assert ada.run_code("5 * 4").strip() == "20"
    booted.ssh("systemctl stop 'jupyter-ada-singleuser.service'")
    assert booted.ssh("systemctl list-units --state=failed --no-legend --plain").stdout == ""


def test_she_sees_her_own_processes_only(booted: Workbench) -> None:
    """A11, of the /proc that a boot mounts anew."""
    assert "hidepid=" in booted.ssh("findmnt -no OPTIONS /proc").stdout
    owners = set(as_user(booted, "grace", "ps -e -o user=").split())
    assert owners == {"grace"}


def test_what_she_listens_on_is_hers_alone(booted: Workbench) -> None:
    """A15, of the rules that a boot loads anew."""
    booted.ssh("nft list table inet workbench")
    for port in HERS:
        ask = f"curl -s --max-time 5 http://127.0.0.1:{port}/ || echo refused"
        assert as_user(booted, "grace", ask).strip() == "squatted", port
        assert as_user(booted, "ada", ask).strip() == "refused", port
