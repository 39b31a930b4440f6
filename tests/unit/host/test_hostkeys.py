"""The program hostkeys: host keys that move with the volume, with ssh-keygen's own keys."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from workbench_host import hostkeys

pytestmark = needs("ssh-keygen")

KINDS = ("ed25519", "rsa")


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
    hostkeys.reconcile()
    assert {name for name in server.contents(server.kept) if not name.endswith(".pub")} == {
        "ssh_host_ed25519_key",
        "ssh_host_rsa_key",
    }
    assert server.kept.stat().st_mode & 0o777 == 0o700
    for path in server.kept.iterdir():
        assert path.stat().st_mode & 0o777 == (0o644 if path.suffix == ".pub" else 0o600)
    assert hostkeys.is_right()


def test_a_later_server_takes_the_keys_of_the_volume(server: Server) -> None:
    server.generate(*KINDS)
    hostkeys.reconcile()
    first = server.contents(server.used)
    shutil.rmtree(server.used)
    server.used.mkdir()
    server.generate(*KINDS)
    assert not hostkeys.is_right()
    hostkeys.reconcile()
    private = {name: text for name, text in first.items() if not name.endswith(".pub")}
    now = server.contents(server.used)
    assert {name: now[name] for name in private} == private
    for kind in KINDS:
        public = first[f"ssh_host_{kind}_key.pub"].split()[:2]
        assert now[f"ssh_host_{kind}_key.pub"].split()[:2] == public
    assert hostkeys.is_right()


def test_a_kind_of_key_that_the_volume_lacks_is_added_and_none_is_lost(server: Server) -> None:
    server.generate("ed25519")
    hostkeys.reconcile()
    kept = server.contents(server.kept)
    server.generate("rsa")
    hostkeys.reconcile()
    assert {name: server.contents(server.kept)[name] for name in kept} == kept
    assert "ssh_host_rsa_key" in server.contents(server.kept)
    assert hostkeys.is_right()


def test_ecdsa_keys_of_the_first_boot_and_of_an_older_volume_go_and_the_identity_stays(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.generate(*KINDS)
    hostkeys.reconcile()
    identity = hostkeys.keys_in(str(server.kept))
    server.generate("ecdsa")
    for path in server.used.glob("ssh_host_ecdsa_key*"):
        shutil.copy(path, server.kept)
    assert not hostkeys.is_right()
    assert listed(capsys)["present"][0].startswith("ecdsa-")
    assert [key.split()[0] for key in listed(capsys)["coming"]] == ["ssh-ed25519", "ssh-rsa"]
    hostkeys.reconcile()
    for folder in (server.used, server.kept):
        assert not list(folder.glob("*ecdsa*"))
        assert hostkeys.keys_in(str(folder)) == identity
    assert hostkeys.is_right()


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """What `hostkeys --list` prints of a volume that counts as mounted."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.path.ismount", lambda _: True)
        assert hostkeys.main(["--list"]) == 0
    told: dict[str, list[str]] = json.loads(capsys.readouterr().out)
    return told


def test_a_server_that_has_no_key_but_ecdsa_is_told_what_to_do(server: Server) -> None:
    server.generate("ecdsa")
    with pytest.raises(hostkeys.FailureError, match=r"run `ssh-keygen -A`"):
        hostkeys.reconcile()
    assert (server.used / "ssh_host_ecdsa_key").exists()


@pytest.mark.parametrize("rebuilt", [False, True])
def test_killed_at_any_write_the_next_run_ends_with_one_identity(
    server: Server, monkeypatch: pytest.MonkeyPatch, rebuilt: bool
) -> None:
    server.generate(*KINDS)
    if rebuilt:
        hostkeys.reconcile()
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
            hostkeys.reconcile()
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
    hostkeys.reconcile()
    used = server.contents(server.used)
    (server.kept / "ssh_host_ed25519_key").write_text("damaged")
    with pytest.raises(hostkeys.FailureError, match="no usable private key"):
        hostkeys.reconcile()
    assert server.contents(server.used) == used


def test_a_public_key_that_is_missing_is_made_from_its_private_one(server: Server) -> None:
    server.generate("ed25519")
    hostkeys.reconcile()
    path = server.used / "ssh_host_ed25519_key.pub"
    before = path.read_text().split()[:2]
    path.unlink()
    assert not hostkeys.is_right()
    hostkeys.reconcile()
    assert path.read_text().split()[:2] == before
