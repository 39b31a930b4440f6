"""Attacks on the hub, its proxy and others' servers, by grace, who is no administrator and has a terminal here."""

import shlex
import time
from collections.abc import Iterator

import pytest

from lab.visitor import R, Visitor
from tests.deploy.test_jupyterhub import eventually
from tests.e2e.attacks.people import by_grace
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

API = "/run/caddy/jupyterhub.sock"  # what the hub answers to users' programs
OPEN = (
    "curl -sS -o /dev/null -w '%{{http_code}}' --max-time 5 --path-as-is --unix-socket {} http://localhost{}"
)


@pytest.fixture(scope="module")
def ada(workbench: Workbench) -> Iterator[Visitor]:
    """Somebody at work: a server with kernels of both languages. Grace has none at first."""
    workbench.ssh("systemctl stop jupyter-grace-singleuser", check=False)
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        visitor.run_code("5 * 4")
        visitor.run_code("5 * 4", kernel=R)
        yield visitor


def begin(workbench: Workbench, visitor: Visitor) -> None:
    """Logs grace in, and starts her server: the hub may still think that the one of before runs."""
    visitor.login("grace", workbench.password("grace"))
    eventually(lambda: visitor.spawn() or "")


def folder_of(workbench: Workbench, user: str) -> str:
    """The folder of a server that runs."""
    return workbench.ssh(f"echo /run/jupyter/$(id -u {user})-*").stdout.strip()


def sockets(workbench: Workbench) -> list[str]:
    """All sockets that the hub, its proxy and servers listen on, as root sees them.

    By their files: ss lists those of one network namespace only.
    """
    folders = "/run/jupyterhub /run/jupyterhub-proxy /run/workbench-servers /run/jupyter"
    hers = workbench.ssh(
        "id -u grace"
    ).stdout.strip()  # a folder of hers stays until the hub has looked after it
    return workbench.ssh(f"find {folders} -type s ! -path '*/{hers}-*'").stdout.split()


def test_a4_nobody_can_listen_in_the_place_of_the_hub_its_proxy_or_a_server(
    workbench: Workbench, ada: Visitor
) -> None:
    """A4: she held port 8081 and got a password, another's port and got the cookies. There are no ports any more."""
    listening = workbench.ssh("ss -Hltnp").stdout.splitlines()
    programs = ("jupyterhub", "configurable", "node", "socket-proxyd", "/bin/jupyter")
    assert [line for line in listening if any(program in line for program in programs)] == []
    found = sockets(workbench)
    assert len([path for path in found if "kernel" not in path]) >= 5  # public, api, hub, a front, a server
    for path in found:
        where = path.rsplit("/", 1)[0]
        said = by_grace(
            workbench, f"ln -s /tmp/mine {where}/squat; mv {where} {where}.old; rm -f {path}; ls {where}"
        )
        refusals = ("Permission denied", "Operation not permitted", "Device or resource busy")
        assert sum(said.count(one) for one in refusals) >= 3, (path, said)


def test_a5_kernels_of_both_languages_and_servers_are_closed_to_others(
    workbench: Workbench, ada: Visitor
) -> None:
    """A5: code and output of another's cells, read from loopback."""
    kernels = [path for path in sockets(workbench) if "/kernel-" in path]
    assert len(kernels) >= 2 * 5  # five channels each
    for path in sockets(workbench):
        assert "connect to server" in by_grace(workbench, OPEN.format(path, "/")), path
    home = folder_of(workbench, "ada")
    assert "Permission denied" in by_grace(workbench, f"cat {home}/kernel-*.json {home}; ls {home}")


def test_a4_the_end_of_a_server_leaves_no_place_to_listen_at(workbench: Workbench, ada: Visitor) -> None:
    """A4, after a server's end: she waited for another's port. Its socket goes with it, in a folder of root's."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        begin(workbench, visitor)
        uid = workbench.ssh("id -u grace").stdout.strip()
        front = f"ls /run/workbench-servers | grep -c ^{uid}-"
        assert workbench.ssh(front).stdout.strip() == "1"
        workbench.ssh("systemctl kill --kill-whom=main -s KILL jupyter-grace-singleuser")
        until = time.monotonic() + 10
        while workbench.ssh(front, check=False).stdout.strip() != "0":
            assert time.monotonic() < until, "the front outlived its server"
            time.sleep(0.5)
        visitor.user = ""  # that session's server is gone


def test_a4_what_she_puts_in_the_place_of_her_own_socket_leads_nowhere_she_could_not_go(
    workbench: Workbench, ada: Visitor
) -> None:
    """A link to a socket of the hub's: the proxy and the hub, which is root, would follow it."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        begin(workbench, visitor)
        mine = f"{folder_of(workbench, 'grace')}/server.sock"
        for target in ("/run/jupyterhub-proxy/api.sock", "/run/jupyterhub/hub.sock", "/run/caddy/admin.sock"):
            by_grace(workbench, f"rm -f {mine}; ln -s {target} {mine}")
            answer = visitor.client.get(f"{workbench.url}jupyter/user/grace/api/routes")
            assert answer.status_code >= 500, target
        by_grace(workbench, f"rm {mine}")
    workbench.ssh("systemctl stop jupyter-grace-singleuser")


DEEP = """
import os
made = 0
try:
    while made < 25_000:
        os.mkdir("d")
        os.chdir("d")
        made += 1
except OSError:
    pass
print(made)
"""


def test_a_server_that_does_not_want_to_end_has_root_write_nowhere(
    workbench: Workbench, ada: Visitor
) -> None:
    """Root wrote a server's environment into its folder, which an ending server had left to its user.

    Or one that could not be removed: it held more levels than systemd has descriptors.
    """
    canary = "/srv/workbench/jupyterhub/canary"
    with Visitor(workbench.url, workbench.ca) as visitor:
        begin(workbench, visitor)
        folder = folder_of(workbench, "grace")
        assert workbench.ssh(f"find {folder} -user root").stdout == "", "root puts nothing there"
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        visitor.run_code(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {stubborn!r}])")
        workbench.ssh(f"touch {canary}; chmod 640 {canary}")
        by_grace(workbench, f"cd {folder}; ln -s {canary} jupyter-grace-singleuser.env; mkfifo fifo")
        assert int(by_grace(workbench, f"cd {folder}; python3 -c {shlex.quote(DEEP)}")) < 5000, "it is small"
        workbench.ssh("systemctl stop --no-block jupyter-grace-singleuser")
        eventually(lambda: visitor.spawn() or "", seconds=90)
        visitor.new_kernels()
        assert workbench.ssh(f"stat -c '%a %s' {canary}").stdout.strip() == "640 0"
        assert "d\n" not in workbench.ssh(f"ls {folder}").stdout, "it is another folder"
        assert visitor.run_code("5 * 4").strip() == "20"
    workbench.ssh(f"systemctl stop jupyter-grace-singleuser; rm {canary}")
    gone = f"until ! [ -e {folder} ]; do sleep 0.5; done"  # the hub looks after its servers every 30 s
    workbench.ssh(f"timeout 40 sh -c {shlex.quote(gone)}; ! grep {folder} /proc/mounts")


@pytest.mark.parametrize(
    "path",
    ["/jupyter/hub/login", "/jupyter/hub/apis", "/jupyter/hub/api/../login", "/jupyter/hub/api/%2e%2e/login"],
)
def test_users_programs_reach_the_hubs_api_and_nothing_beside_it(workbench: Workbench, path: str) -> None:
    """Logins from inside would come from no address, so that nobody could be kept from guessing."""
    assert by_grace(workbench, OPEN.format(API, path)) in {"400", "404"}
    assert by_grace(workbench, OPEN.format(API, "/jupyter/hub/api")) == "200"


def test_nobody_says_from_inside_that_a_request_comes_from_another_address(workbench: Workbench) -> None:
    line = (
        f"curl -s --unix-socket {API} -H 'X-Forwarded-For: 192.0.2.77' http://localhost/jupyter/hub/api/users"
    )
    assert "Missing or invalid credentials" in by_grace(workbench, line)
    assert "192.0.2.77" not in workbench.ssh("journalctl -u jupyterhub -n 20 -o cat").stdout
