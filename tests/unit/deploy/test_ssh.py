"""Host keys that move with the volume, and what this machine knows of them, with ssh-keygen's own keys."""

import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from pyinfra.api.exceptions import DeployError

from deploy import files, knownhosts, ssh
from deploy.files import FileState, State
from deploy.programs import Reply, Says
from tests.conftest import PUBLIC_KEY
from tests.needs import needs
from tests.unit.deploy import host_programs

hostkeys: Any = host_programs.load("hostkeys")

pytestmark = needs("ssh-keygen")

KINDS = ("ecdsa", "ed25519")


class Server:
    """The two folders of a server: its own /etc/ssh, and that of the data volume."""

    def __init__(self, used: Path, kept: Path) -> None:
        self.used, self.kept = used, kept

    def generate(self, *kinds: str) -> None:
        for kind in kinds:
            path = self.used / f"ssh_host_{kind}_key"
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)

    def contents(self, folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    used, volume = tmp_path / "etc", tmp_path / "volume"
    used.mkdir()
    volume.mkdir()
    monkeypatch.setattr(hostkeys, "USED", str(used))
    monkeypatch.setattr(hostkeys, "VOLUME", str(volume))
    monkeypatch.setattr(hostkeys, "KEPT", str(volume / "ssh"))
    return Server(used, volume / "ssh")


def test_the_first_servers_keys_are_kept_on_the_volume_for_root_only(server: Server) -> None:
    server.generate(*KINDS)
    hostkeys.settle()
    assert {name for name in server.contents(server.kept) if not name.endswith(".pub")} == {
        "ssh_host_ecdsa_key",
        "ssh_host_ed25519_key",
    }
    assert server.kept.stat().st_mode & 0o777 == 0o700
    for path in server.kept.iterdir():
        assert path.stat().st_mode & 0o777 == (0o644 if path.suffix == ".pub" else 0o600)
    assert hostkeys.is_right()


def test_a_later_server_takes_the_keys_of_the_volume(server: Server) -> None:
    server.generate(*KINDS)
    hostkeys.settle()
    first = server.contents(server.used)
    shutil.rmtree(server.used)
    server.used.mkdir()
    server.generate(*KINDS)
    assert not hostkeys.is_right()
    hostkeys.settle()
    private = {name: text for name, text in first.items() if not name.endswith(".pub")}
    now = server.contents(server.used)
    assert {name: now[name] for name in private} == private
    for kind in KINDS:
        public = first[f"ssh_host_{kind}_key.pub"].split()[:2]
        assert now[f"ssh_host_{kind}_key.pub"].split()[:2] == public
    assert hostkeys.is_right()


def test_a_kind_of_key_that_the_volume_lacks_is_added_and_none_is_lost(server: Server) -> None:
    server.generate("ed25519")
    hostkeys.settle()
    kept = server.contents(server.kept)
    server.generate("ecdsa")
    hostkeys.settle()
    assert {name: server.contents(server.kept)[name] for name in kept} == kept
    assert "ssh_host_ecdsa_key" in server.contents(server.kept)
    assert hostkeys.is_right()


@pytest.mark.parametrize("rebuilt", [False, True])
def test_killed_at_any_write_the_next_run_ends_with_one_identity(
    server: Server, monkeypatch: pytest.MonkeyPatch, rebuilt: bool
) -> None:
    server.generate(*KINDS)
    if rebuilt:
        hostkeys.settle()
        shutil.rmtree(server.used)
        server.used.mkdir()
        server.generate(*KINDS)
    expected = hostkeys.keys_in(str(server.kept)) or hostkeys.keys_in(str(server.used))
    write = hostkeys.write
    for killed_at in range(20):
        left = killed_at

        def dying(*arguments: Any) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            write(*arguments)

        monkeypatch.setattr(hostkeys, "write", dying)
        try:
            hostkeys.settle()
        except KeyboardInterrupt:
            continue
        break
    else:
        pytest.fail("it never came to an end")
    assert killed_at > 0
    assert hostkeys.is_right()
    assert hostkeys.keys_in(str(server.used)) == expected


def test_a_damaged_key_on_the_volume_replaces_nothing(server: Server) -> None:
    server.generate("ed25519")
    hostkeys.settle()
    used = server.contents(server.used)
    (server.kept / "ssh_host_ed25519_key").write_text("damaged")
    with pytest.raises(hostkeys.FailureError, match="no usable private key"):
        hostkeys.settle()
    assert server.contents(server.used) == used


def test_a_public_key_that_is_missing_is_made_from_its_private_one(server: Server) -> None:
    server.generate("ed25519")
    hostkeys.settle()
    path = server.used / "ssh_host_ed25519_key.pub"
    before = path.read_text().split()[:2]
    path.unlink()
    assert not hostkeys.is_right()
    hostkeys.settle()
    assert path.read_text().split()[:2] == before


@pytest.mark.skipif(shutil.which("sshd") is None, reason="needs sshd")
def test_sshd_takes_its_settings(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    path = tmp_path / "sshd.conf"
    path.write_text(files.render("ssh/sshd.conf.j2"))
    sshd = shutil.which("sshd") or ""
    done = subprocess.run(
        [sshd, "-T", "-f", str(path), "-h", str(key)], capture_output=True, text=True, check=False
    )
    if "privilege separation" in done.stderr:
        pytest.skip("sshd has never run here: /run/sshd is missing")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "passwordauthentication no" in said
    assert "permitrootlogin no" in said
    assert "exposeauthinfo yes" in said


def test_a_deploy_does_not_lock_itself_out(tmp_path: Path) -> None:
    private = tmp_path / "id_ed25519"
    private.with_suffix(".pub").write_text(f"{PUBLIC_KEY} comment of its own\n")
    ssh.refuse_lockout([PUBLIC_KEY], ssh.declared_key(str(private)))
    ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(None))
    ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(str(tmp_path / "without a public one")))
    kind, blob, *_ = PUBLIC_KEY.split()
    with pytest.raises(DeployError, match=f"adminSshKeys lacks .*{kind} {re.escape(blob)};"):
        ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(str(private)))
    with pytest.raises(DeployError, match="adminSshKeys is empty"):
        ssh.refuse_lockout([], "")


@pytest.mark.parametrize("told", ["publickey ssh-ed25519 AAAA\n", "", None])
def test_the_key_that_let_a_connection_in_is_what_sshd_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None
) -> None:
    monkeypatch.delenv("SSH_USER_AUTH", raising=False)
    if told is not None:
        (tmp_path / "auth").write_text(told)
        monkeypatch.setenv("SSH_USER_AUTH", str(tmp_path / "auth"))
    done = subprocess.run(
        ["sh", "-c", ssh.EnteredWith().command()], capture_output=True, text=True, check=True
    )
    assert ssh.EnteredWith().process(done.stdout.splitlines()) == ("ssh-ed25519 AAAA" if told else "")


class Listener:
    """An SSH server of paramiko's own on loopback, with the keys that it is given; nobody can log in."""

    def __init__(self, keys: Sequence[paramiko.PKey]) -> None:
        self.keys = keys
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(link)
            for key in self.keys:
                transport.add_server_key(key)
            transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.threads[0].join(timeout=10)


def line(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


@pytest.fixture
def keys() -> list[paramiko.PKey]:
    """Two servers' identities: ECDSA and RSA of the first, ECDSA and RSA of the second."""
    return [
        make()
        for _ in range(2)
        for make in (paramiko.ECDSAKey.generate, lambda: paramiko.RSAKey.generate(2048))
    ]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    started: list[Listener] = []

    def listen(keys: Sequence[paramiko.PKey]) -> None:
        started.append(Listener(keys))
        monkeypatch.setattr(knownhosts, "SSH_PORT", started[-1].port)

    yield listen
    for listener in started:
        listener.close()


@pytest.mark.parametrize("live", [0, 1])
def test_an_exchange_cut_short_is_settled_by_asking_the_server(
    tmp_path: Path, keys: list[paramiko.PKey], listening: Any, live: int
) -> None:
    listening(keys[2 * live : 2 * live + 2])
    path = tmp_path / "known_hosts"
    knownhosts.write(path, knownhosts.lines("127.0.0.1", [line(key) for key in keys]))
    knownhosts.settle(path, "127.0.0.1")
    known = paramiko.HostKeys(str(path))
    for key in keys[2 * live : 2 * live + 2]:
        assert known.check("127.0.0.1", key), (
            "the key that the server shows is the one that paramiko compares with"
        )
    assert len(knownhosts.read(path)) == 4, "the other set stays, until the deploy has ended"


def test_a_server_that_shows_a_strangers_key_is_not_trusted(
    tmp_path: Path, keys: list[paramiko.PKey], listening: Any
) -> None:
    listening([paramiko.ECDSAKey.generate()])
    path = tmp_path / "known_hosts"
    before = knownhosts.lines("127.0.0.1", [line(key) for key in keys])
    knownhosts.write(path, before)
    knownhosts.settle(path, "127.0.0.1")
    assert knownhosts.read(path) == before


def test_without_an_exchange_nobody_is_asked(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    before = knownhosts.lines("192.0.2.1", [line(key) for key in keys[:2]])
    knownhosts.write(path, before)
    knownhosts.settle(path, "192.0.2.1")
    assert knownhosts.read(path) == before


@pytest.mark.parametrize(
    ("exchange", "known", "expected"),
    [
        (True, "old", "old, new"),
        (False, "old, new", "new"),
        (False, "new", None),
    ],
)
def test_keys_are_known_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool, known: str, expected: str | None
) -> None:
    path = tmp_path / "known_hosts"
    knownhosts.write(path, [f"h ssh-ed25519 {key}" for key in known.split(", ")])
    present = "old" if exchange else "new"

    class Host:
        def get_fact(self, fact: type, line: str) -> Reply:
            assert (fact, line) == (Says, "/usr/local/lib/workbench/hostkeys --list")
            said = {
                "present": [f"ssh-ed25519 {present}"],
                "coming": ["ssh-ed25519 new"],
                "right": not exchange,
            }
            return Reply(0, (json.dumps(said),))

        def noop(self, text: str) -> None:
            pass

    monkeypatch.setattr(ssh, "host", Host())
    for command in ssh.know._inner(path=path, address="h", exchange=exchange):
        command.function(*command.args)
        assert expected is not None
    wanted = (expected or known).split(", ")
    assert knownhosts.read(path) == [f"h ssh-ed25519 {key}" for key in wanted]


@pytest.mark.parametrize(
    ("reply", "commands"),
    [
        (Reply(0, ('{"present": [], "coming": [], "right": true}',)), 0),
        (Reply(0, ('{"present": [], "coming": [], "right": false}',)), 1),
        (Reply(0, ('{"present": [], "coming": []}',)), 1),
        (Reply(127, ()), 1),
        (Reply(1, ("half a rep",)), 1),
    ],
    ids=["right", "not right", "an older program", "no program", "one that failed"],
)
def test_the_host_keys_are_settled_where_they_are_not_known_to_be_right(
    reply: Reply, commands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = SimpleNamespace(get_fact=lambda *_, **__: reply, noop=lambda _: None)
    monkeypatch.setattr(ssh, "host", host)
    assert len(list(ssh.show_kept._inner())) == commands


@pytest.mark.parametrize("there", [None, "another content", "the same"])
def test_who_is_let_in_is_asked_where_that_would_change(
    there: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = files.Content(f"{PUBLIC_KEY}\n".encode())
    digest = wanted.sha256 if there == "the same" else "0" * 64
    state = None if there is None else State("regular file", "600", "admin", "admin", digest)
    answers = {FileState: state, ssh.EnteredWith: "ssh-ed25519 another"}
    monkeypatch.setattr(ssh, "host", SimpleNamespace(get_fact=lambda fact, **_: answers[fact]))
    if there == "the same":
        ssh.guard([PUBLIC_KEY], wanted)
        return
    with pytest.raises(DeployError, match="would lock it out"):
        ssh.guard([PUBLIC_KEY], wanted)
