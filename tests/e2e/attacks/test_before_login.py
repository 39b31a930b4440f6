"""Attacks by who has no login yet: guesses, floods, huge and slow requests, from several addresses."""

import json
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from lab.bridge import seen_as
from tests.e2e.attacks.people import as_user
from tests.strangers import (
    BAN_SECONDS,
    REFUSED,
    banned,
    client,
    failures,
    flood,
    found,
    hub_login,
    is_at_once,
    is_banned,
    is_let_in,
    passes_over,
    seconds,
    short_bans,
    ssh_login,
    ssh_names,
    wait_for_failures,
)
from tests.workbench_in_lab import Workbench
from workbench_host.turns import FAILURES

pytestmark = pytest.mark.lab

MIB = 1024**2


@pytest.fixture(autouse=True)
def _bans(workbench: Workbench) -> Iterator[None]:
    with short_bans(workbench):
        yield


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A key that nobody has declared."""
    key = tmp_path_factory.mktemp("keys") / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return str(key)


def test_a8_who_guesses_at_the_hub_is_banned_within_ten_while_others_log_in_at_once(
    workbench: Workbench,
) -> None:
    """A8: 1.1 guesses a second for ever, and the right password took 32 s with 30 in flight."""
    guesser, neighbour = "127.0.81.2", "127.0.81.3"
    alone = seconds(workbench, neighbour, hub_login)  # more where the machine is busy with other things
    counted: list[dict[int, int]] = []
    thread = threading.Thread(target=lambda: counted.append(flood(workbench, guesser, hub_login)))
    thread.start()
    wait_for_failures(workbench, guesser)
    assert is_at_once([seconds(workbench, neighbour, hub_login) for _ in range(3)], alone)
    assert is_banned(workbench, guesser)
    assert 1 <= failures(workbench, guesser) <= 10
    told = json.loads(workbench.command("status", "--json").stdout)["logins"]
    assert seen_as(guesser) in [ban["address"] for ban in told["banned"]]
    assert told["failed"] >= FAILURES
    with client(workbench, guesser) as browser:  # from 22, 80 and 443 alike
        assert hub_login(browser, "grace", workbench.password("grace")) == REFUSED
    for port in (22, 80):
        with pytest.raises(OSError, match=r"refused|reset"):
            socket.create_connection((workbench.outputs.address, port), 5, (guesser, 0)).recv(1)
    thread.join()
    [found] = counted
    assert found[302] == 0
    assert is_let_in(workbench, guesser, hub_login, within=4 * BAN_SECONDS)


def test_a8_a_connection_from_before_the_ban_is_of_no_use_after_it(workbench: Workbench) -> None:
    """A8: a ban is of new connections, so that open notebooks go on; a wrong password ends the one that it came by."""
    with client(workbench, "127.0.82.2") as browser:
        assert hub_login(browser, "grace", "wrong") == 403
        answer = browser.get("/jupyter/hub/login")
        form = {
            "username": "grace",
            "password": "wrong",
            "_xsrf": browser.cookies.get("_xsrf", path="/jupyter/hub/"),
        }
        answer = browser.post("/jupyter/hub/login", data=form)
        assert answer.headers["Connection"] == "close"
        place = "/jupyter/hub/api/users/grace/tokens"
        answer = browser.post(place, json={"auth": {"username": "grace", "password": "wrong"}})
        assert (answer.status_code, answer.headers["Connection"]) == (403, "close")


def test_a8_the_api_that_takes_passwords_is_counted_as_the_form_is(workbench: Workbench) -> None:
    """A8, another way in: a token for a name and a password, without the form."""
    with client(workbench, "127.0.83.2") as browser:
        auth = {"auth": {"username": "grace", "password": "wrong"}}
        for _ in range(FAILURES + 1):
            try:
                browser.post("/jupyter/hub/api/users/grace/tokens", json=auth)
            except httpx.TransportError:
                break
    assert is_banned(workbench, "127.0.83.2")


def test_a8_the_time_of_an_answer_does_not_tell_who_is_a_user(workbench: Workbench) -> None:
    """A8, variant: a name that nobody has was answered at once."""
    took = {}
    with client(workbench, "127.0.84.2") as browser:
        for user in ("grace", "nobody-of-this-name", "root"):
            begun = time.monotonic()
            assert hub_login(browser, user, "wrong") == 403
            took[user] = time.monotonic() - begun
    assert max(took.values()) - min(took.values()) < 0.5


def test_a8_who_tries_keys_by_ssh_is_banned_from_everything(workbench: Workbench, stranger: str) -> None:
    """A8 for SSH. sshd turns such an address away after some tries, and looks at the next some seconds later.

    It does not write down each time that it turned somebody away: fail2ban may need tries that it looked at.
    """
    guesser = "127.0.85.2"
    said: list[str] = []
    until = time.monotonic() + 90
    while not is_banned(workbench, guesser, within=0):
        assert time.monotonic() < until
        said += [ssh_login(workbench, guesser, stranger) for _ in range(3)]
    assert sum("Permission denied" in one for one in said) <= 10
    with client(workbench, guesser) as browser:
        assert hub_login(browser, "grace", workbench.password("grace")) == REFUSED
    assert "Permission denied" in ssh_login(workbench, "127.0.85.3", stranger)  # another address is asked


def test_a8_where_the_administrator_came_from_is_never_banned(workbench: Workbench) -> None:
    """A8, turned round: a user who fails from the deploy's own network must not keep the deploy out."""
    try:
        assert flood(workbench, "127.0.0.1", hub_login, FAILURES + 2)[403] >= FAILURES
        assert failures(workbench, "127.0.0.1") >= FAILURES
        # Who fails as often, and later in the journal, is banned: so fail2ban has come to the lines before.
        flood(workbench, "127.0.92.3", hub_login, FAILURES + 2)
        assert is_banned(workbench, "127.0.92.3", within=30)
        assert passes_over(workbench, "127.0.0.1")
        assert seen_as("127.0.0.1") not in banned(workbench)
        assert workbench.ssh("true").returncode == 0
    finally:  # all other tests come from there, and would have to wait
        workbench.ssh("systemctl restart jupyterhub")


def test_a8_nobody_on_the_host_can_have_another_banned(workbench: Workbench) -> None:
    """A8, variant: lines in the journal that look like failed logins, by programs named like those that write them."""
    victim = "240.0.86.2"
    said = f"Failed login from {victim}"
    hub = f"[W 2026-01-01 00:00:00.000 JupyterHub users:1] {said}"
    sshd = f"Connection closed by authenticating user ada {victim} port 22 [preauth]"
    write = "import syslog, sys; syslog.openlog(sys.argv[1]); [syslog.syslog(sys.argv[2]) for _ in range(20)]"
    script = f"""
        cd; cp /usr/bin/python3 sshd-session; cp /usr/bin/python3 sshd
        for line in '{said}' '{hub}' '{sshd}'; do
            for name in jupyterhub sshd-session sign-in; do
                logger -t "$name" "$line"
                ./sshd-session -c '{write}' "$name" "$line"
                ./sshd -c '{write}' "$name" "$line"
            done
        done; rm sshd sshd-session"""
    workbench.ssh(f"cat > /tmp/injection.sh <<'EOF'\n{script}\nEOF\nrunuser -u grace -- sh /tmp/injection.sh")
    # names by SSH, and by the hub's form, with a line in them
    with client(workbench, "127.0.86.3") as browser:
        hub_login(browser, f"x\n{hub}\n", "wrong")
        hub_login(browser, f"x' {said}", "wrong")
    time.sleep(3)
    log = workbench.ssh("journalctl -u fail2ban -o cat --no-pager").stdout
    assert victim not in log


def test_a8_no_name_by_ssh_has_another_banned(workbench: Workbench, stranger: str) -> None:
    """A8, variant: sshd logs names as they are, and cuts a reason after a hundred characters: a name may end it."""
    victim = " 240.0.86.5 port 22"
    change = "Change of username or service not allowed: (x,ssh-connection) -> ("
    ends = "x" * (100 - len(change) - len(victim)) + victim  # the last that sshd logs of it
    tried = " 240.0.86.5 port 22: Change of username or service not allowed:"
    ssh_names(workbench, "127.0.86.6", "x", f"{ends}zzz")
    ssh_names(workbench, "127.0.86.7", "x", service=f"x{victim}")
    ssh_names(workbench, "127.0.86.8", tried, "y")
    ssh_names(workbench, "127.0.86.9", *[f"{victim} ssh2 [preauth]"] * 7)
    for number, name in enumerate((victim, f"x{victim} [preauth]", f"x\u00e9{victim}", tried)):
        ssh_login(workbench, f"127.0.86.{10 + number}", stranger, name)
        assert found(workbench, f"127.0.86.{10 + number}") == 1, name
    assert found(workbench, "127.0.86.9") == 1
    logged = workbench.ssh("journalctl -q -u ssh -o cat --no-pager --since=-2min").stdout
    assert f"{ends} [preauth]\n" in logged
    assert f"bad service request x{victim} [preauth]\n" in logged
    assert found(workbench, "127.0.86.5", within=0) == 0  # the victim


def test_a8_a_user_of_the_host_has_one_address_of_loopback(workbench: Workbench) -> None:
    """A8, from inside: each of 127.0.0.0/8 was another guesser, none was ever banned, and 260 of them filled sshd."""
    script = """
import socket
def tried(source, port):
    try:
        socket.create_connection(("127.0.0.1", port), 5, (source, 0)).close()
    except OSError as error:
        return type(error).__name__
    return "let in"
print([tried(source, port) for source in ("127.9.1.2", "127.9.3.4", "127.0.0.1") for port in (22, 443)])"""
    said = as_user(workbench, "grace", f"python3 -c {shlex.quote(script)}").splitlines()[-1]
    assert said == str(["ConnectionRefusedError"] * 4 + ["let in"] * 2)


def test_a8_nobody_can_say_that_a_request_came_from_elsewhere(workbench: Workbench) -> None:
    """A8, variant: with X-Real-Ip guesses counted against another address, from outside and by the users' way in."""
    auth = {"auth": {"username": "grace", "password": "wrong"}}
    place, began = "/jupyter/hub/api/users/grace/tokens", workbench.ssh("date +%s").stdout.strip()
    names = ("X-Real-Ip", "X-Forwarded-For", "Forwarded", "X-Client-Ip", "True-Client-Ip")
    headers = {name: ("for=" if name == "Forwarded" else "") + "198.51.100.9" for name in names}
    with client(workbench, "127.0.86.4") as browser:
        assert browser.post(place, json=auth, headers=headers).status_code == 403
    flags = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
    way_in = f"--unix-socket /run/caddy/jupyterhub.sock http://localhost{place}"
    workbench.ssh(f"runuser -u grace -- curl -sS {flags} --json '{json.dumps(auth)}' {way_in}")
    log = workbench.ssh(f"journalctl -u jupyterhub -o cat --since @{began}").stdout
    assert f"Failed login from {seen_as('127.0.86.4')}" in log
    assert log.count("Failed login from") == 2
    assert "198.51.100.9" not in log


def test_a9_bodies_before_a_login_are_small(workbench: Workbench) -> None:
    """A9: 4 bodies of 99 MiB took the hub from 443 to 840 MiB. What leads to no server comes to the hub as well."""
    with client(workbench, "127.0.87.2") as browser:
        for path in (
            "/jupyter/hub/login",
            "/jupyter/hub/api/users",
            "/jupyter/user/nobody/api/contents/x",
            "/jupyter/x",
        ):
            try:
                answer = browser.post(path, content=bytes(99 * MIB))
            except httpx.TransportError:
                continue  # the connection was ended in the middle of it
            assert answer.is_error, path
    peak = workbench.ssh("grep VmHWM /proc/$(systemctl show -p MainPID --value jupyterhub)/status").stdout
    assert int(peak.split()[1]) < 300 * 1024  # KiB


def test_a9_a_head_that_never_ends_is_given_up(workbench: Workbench) -> None:
    """A9, variant: a request that comes letter by letter, and one with a huge head."""
    trust = ssl.create_default_context(cafile=str(workbench.ca))
    address = workbench.outputs.address

    def connection() -> ssl.SSLSocket:
        plain = socket.create_connection((address, 443), 5, ("127.0.88.2", 0))
        return trust.wrap_socket(plain, server_hostname=address)

    begun = time.monotonic()
    with connection() as slow:
        slow.settimeout(40)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        while slow.recv(1000):  # an answer, such as 408, may come before the end
            pass
    assert time.monotonic() - begun < 30
    with connection() as huge:
        huge.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
        assert b" 431 " in huge.recv(1000)


def test_a9_one_address_cannot_take_all_connections(workbench: Workbench) -> None:
    """A9, variant: connections that are opened and held, each of which costs memory before anybody has logged in."""
    held: list[socket.socket] = []
    alone = seconds(workbench, "127.0.91.3", hub_login)
    try:
        for _ in range(1100):
            # The forwarder between takes each, and ends those that the host refuses.
            held.append(socket.create_connection((workbench.outputs.address, 443), 5, ("127.0.91.2", 0)))
        time.sleep(1)
        open_now = workbench.ssh(
            f"ss -Htn state established src :443 dst {seen_as('127.0.91.2')} | wc -l"
        ).stdout
        assert int(open_now) <= 1000
        assert is_at_once([seconds(workbench, "127.0.91.3", hub_login)], alone)
    finally:
        for connection in held:
            connection.close()


def test_each_unit_before_the_login_has_a_limit_and_comes_back(workbench: Workbench) -> None:
    """A9: MemoryMax on each of our units; one that was killed for it is there again."""
    for unit in ("caddy", "jupyterhub", "jupyterhub-proxy", "fail2ban"):
        shown = workbench.ssh(f"systemctl show -p MemoryMax,Restart,StartLimitIntervalUSec {unit}").stdout
        assert "MemoryMax=infinity" not in shown, unit
        assert "Restart=no" not in shown, unit
        assert "StartLimitIntervalUSec=0" in shown, unit
