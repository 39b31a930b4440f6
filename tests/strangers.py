"""Clients with addresses of their own, who log in, rightly or wrongly, and are banned or not.

On the host the client 127.a.b.c of this machine is 240.a.b.c (lab/bridge.py).
"""

import contextlib
import multiprocessing
import os
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import httpx
import paramiko

from lab.bridge import seen_as
from tests.workbench_in_lab import Workbench

REFUSED = 0  # in place of an HTTP status: no connection
JAIL = "workbench"
BAN_SECONDS = 30  # in tests; ten minutes in earnest
FAIL2BAN_LOG = "journalctl -q -u fail2ban -o cat --no-pager --since=-2min"
Login = Callable[[httpx.Client, str, str], int]


def client(workbench: Workbench, address: str) -> httpx.Client:
    """A browser at this address, which trusts the workbench's CA and follows no redirect."""
    return _client(workbench.url, workbench.ca.read_text(), address)


def _client(url: str, authority: str, address: str) -> httpx.Client:
    trust = ssl.create_default_context(cadata=authority)
    limits = httpx.Limits(max_connections=64)
    transport = httpx.HTTPTransport(verify=trust, local_address=address, limits=limits)
    return httpx.Client(transport=transport, base_url=url, timeout=60)


def hub_login(browser: httpx.Client, user: str, password: str) -> int:
    """The status of a login at the hub: 302 is in, 403 is wrong, 429 is unasked; REFUSED where nobody answers."""
    try:
        browser.get("/jupyter/hub/login")
        form = {
            "username": user,
            "password": password,
            "_xsrf": browser.cookies.get("_xsrf", path="/jupyter/hub/"),
        }
        return browser.post("/jupyter/hub/login", data=form).status_code
    except httpx.TransportError:
        return REFUSED


def rstudio_login(browser: httpx.Client, user: str, password: str) -> int:
    """The status of a sign-in at RStudio: 302 is in, 403 stands for wrong, 429 is unasked; REFUSED as above."""
    try:
        form = {"username": user, "password": password}
        answer = browser.post("/rstudio/auth-do-sign-in", data=form)
    except httpx.TransportError:
        return REFUSED
    return 403 if "error=" in answer.headers.get("Location", "") else answer.status_code


def ssh_login(workbench: Workbench, address: str, key: str, user: str = "grace") -> str:
    """What ssh says of a login with this key from this address."""
    options = ["IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=no"]
    options += ["UserKnownHostsFile=/dev/null", "ConnectTimeout=5"]
    flags = [part for option in options for part in ("-o", option)]
    command = ["ssh", "-n", "-i", key, "-b", address, *flags]
    command += ["-l", user, workbench.outputs.address, "true"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def ssh_names(workbench: Workbench, address: str, *names: str, service: str | None = None) -> None:
    """Tries these names in one SSH connection from this address, without a key, and then asks for this service."""
    connection = paramiko.Transport(
        socket.create_connection((workbench.outputs.address, 22), 10, (address, 0))
    )
    with connection:
        connection.start_client(timeout=30)
        for name in names:
            with contextlib.suppress(paramiko.SSHException, EOFError):
                connection.auth_none(name)
        if service is not None:
            request = paramiko.Message()
            request.add_byte(bytes([paramiko.common.MSG_SERVICE_REQUEST]))
            request.add_string(service)
            connection._send_message(request)  # type: ignore[attr-defined]
            connection.join(5)


def seconds(workbench: Workbench, address: str, login: Login) -> float:
    """How long grace's right login takes from this address."""
    with client(workbench, address) as browser:
        begun = time.monotonic()
        assert login(browser, "grace", workbench.password("grace")) == httpx.codes.FOUND
        return time.monotonic() - begun


def is_at_once(took: list[float], alone: float) -> bool:
    """Whether most of these logins waited for nobody: two seconds, or on a busy machine five times `alone`.

    Without turns the right password took sixty times as long.
    """
    return sorted(took)[len(took) // 2] < max(2.0, 5 * alone)


def flood(workbench: Workbench, address: str, login: Login, times: int = 200) -> Counter[int]:
    """So many wrong passwords of grace's from one address, two dozen at a time; how often which status came.

    In a process of its own, which gives way to all others: guessers have machines of their own.
    """
    apart = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=apart, initializer=os.nice, initargs=(19,)) as pool:
        return pool.submit(_flood, (workbench.url, workbench.ca.read_text(), address), login, times).result()


def _flood(who: tuple[str, str, str], login: Login, times: int) -> Counter[int]:
    with _client(*who) as browser, ThreadPoolExecutor(24) as pool:
        return Counter(pool.map(lambda number: login(browser, "grace", f"wrong {number}"), range(times)))


def failures(workbench: Workbench, address: str) -> int:
    """How many wrong passwords the host has checked for the client within two minutes."""
    units = "-u jupyterhub -u workbench-sign-in"
    seen = f"journalctl -q --since=-2min {units} | grep -c 'Failed login from {seen_as(address)}$'"
    return int(workbench.ssh(seen, check=False).stdout)


def wait_for_failures(workbench: Workbench, address: str) -> None:
    """Returns once there is one, within a minute."""
    until = time.monotonic() + 60
    while not failures(workbench, address):
        assert time.monotonic() < until
        time.sleep(0.2)


def is_let_in(workbench: Workbench, address: str, login: Login, within: float) -> bool:
    """Whether a right password gets in from there before so many seconds are over."""
    until = time.monotonic() + within
    with client(workbench, address) as browser:
        while login(browser, "grace", workbench.password("grace")) != httpx.codes.FOUND:
            if time.monotonic() > until:
                return False
            time.sleep(3)
    return True


def banned(workbench: Workbench) -> set[str]:
    """The addresses that the host bans."""
    return set(workbench.ssh(f"fail2ban-client get {JAIL} banip").stdout.split())


def is_banned(workbench: Workbench, address: str, within: float = 10.0) -> bool:
    """Whether the client is banned, or is within some seconds."""
    until = time.monotonic() + within
    while seen_as(address) not in banned(workbench):
        if time.monotonic() > until:
            return False
        time.sleep(0.3)
    return True


def found(workbench: Workbench, address: str, within: float = 10.0) -> int:
    """How many failures of the client's fail2ban has counted within two minutes; it waits for the first for a while."""
    until = time.monotonic() + within
    while True:
        seen = workbench.ssh(
            f"{FAIL2BAN_LOG} | grep -cE ' Found {seen_as(address)}( |$)'", check=False
        ).stdout
        if int(seen) or time.monotonic() > until:
            return int(seen)
        time.sleep(0.3)


def passes_over(workbench: Workbench, address: str) -> bool:
    """Whether fail2ban saw a failure of the client's and left it out, since the administrator came in from there.

    It says so for the first within a minute, and then remembers it (`ignorecache`).
    """
    seen = f"{FAIL2BAN_LOG} | grep -c ' Ignore {seen_as(address)} by command$'"
    return int(workbench.ssh(seen, check=False).stdout) > 0


@contextlib.contextmanager
def short_bans(workbench: Workbench) -> Iterator[None]:
    """Bans last BAN_SECONDS, and none is left afterwards."""
    try:
        workbench.ssh(f"fail2ban-client set {JAIL} bantime {BAN_SECONDS}")
        yield
    finally:
        workbench.ssh(f"fail2ban-client set {JAIL} bantime 600; fail2ban-client unban --all")
