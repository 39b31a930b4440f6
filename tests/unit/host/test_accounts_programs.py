"""Accounts: the host's programs on files: what is read and written, homes, archives, quotas."""

import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy import users as users_deploy
from tests.needs import needs
from tests.unit.host.accounts_machine import HASHES, Entry, Machine, Registry, Wanted, apply, verbs
from workbench.config import parse
from workbench_host import tools
from workbench_host.accounts import homes, quota, registry, system
from workbench_host.accounts import program as accounts

UIDS = {"ana": 2000, "ben": 2001}


def test_the_file_for_the_host_is_what_its_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    ana = {"name": "ana", "admin": True, "passwordHash": HASHES[0], "uid": 1234, "groups": ["wind"]}
    ben = {"name": "ben", "passwordHash": HASHES[1], "changePassword": True, "removed": True}
    settings = parse({**config, "workbench:users": [ana, ben], "workbench:limits": {"diskGib": 20}})
    path = tmp_path / "users.json"
    path.write_text(users_deploy.wanted(settings))
    monkeypatch.setattr(registry, "WANTED", str(path))
    told = registry.read_wanted()
    assert told.users == [
        Wanted("ana", True, (), HASHES[0], 1234, ("wind",)),
        Wanted("ben", password_hash=HASHES[1], change_password=True, removed=True),
    ]
    assert told.disk_gib == 20


def test_the_registry_is_read_as_it_was_written_and_for_root_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users" / "registry.json"
    monkeypatch.setattr(registry, "REGISTRY", str(path))
    kept = Registry({"ana": Entry(2000, "d", HASHES[0], True), "ben": Entry(2001)}, {"wind": 20000})
    registry.write_registry(kept)
    assert registry.read_registry() == kept
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_text(json.dumps({"users": [1]}))
    with pytest.raises(tools.FailureError, match="restore it from a snapshot"):
        registry.read_registry()


def test_a_home_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = tmp_path / "skel"
    (skeleton / "folder").mkdir(parents=True)
    (skeleton / "folder" / "file").write_text("x")
    place = tmp_path / "home"
    (place / ".ana.new" / "left by a killed run").mkdir(parents=True)
    monkeypatch.setattr(homes, "SKELETON", str(skeleton))
    monkeypatch.setattr(homes, "HOMES", str(place))
    owned: dict[str, int] = {}
    monkeypatch.setattr(homes.os, "lchown", lambda path, uid, gid: owned.update({str(path): uid}))
    homes.make_home("ana", 2000)
    assert [path.name for path in place.iterdir()] == ["ana"]
    assert (place / "ana").stat().st_mode & 0o777 == 0o700
    assert (place / "ana" / "folder" / "file").read_text() == "x"
    assert set(owned.values()) == {2000}
    assert len(owned) == 3


def test_every_step_has_its_function() -> None:
    machine = Machine()
    machine.gids.pop("workbench-admins")
    wanted = [Wanted("ana", True, ("k",), HASHES[0], groups=("wind",), change_password=True)]
    there = Registry()
    found = set(verbs(wanted, there, machine))
    there = apply(machine, wanted)
    machine.work("ana")
    found |= set(verbs([Wanted("ana")], there, machine))
    machine.gone = {"ben"}
    machine.apps = {"ana"}
    removed = [Wanted("ana", removed=True)]
    found |= set(verbs(removed, there, machine))
    there = apply(machine, [], there)
    machine.leave("ana")
    found |= set(verbs(wanted, there, machine))
    renamed = [Wanted("ann", formerly="ana")]
    found |= set(verbs(renamed, apply(Machine(), [Wanted("ana")]), Machine()))
    assert found == set(accounts.VERBS)


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data volume with the home of ana: names, links and modes of all kinds."""
    home = tmp_path / "home" / "ana"
    (home / "deep" / "er").mkdir(parents=True)
    (home / "deep" / "er" / "data").write_bytes(os.urandom(5000))
    (home / os.fsdecode(b"n\xffot utf-8\nat all")).write_text("x")
    (home / ("l" * 200)).write_text("long")
    (home / "link").symlink_to("nowhere")
    (home / "hard").hardlink_to(home / "deep" / "er" / "data")
    os.mkfifo(home / "pipe")
    with (home / "sparse").open("wb") as file:
        file.truncate(50 * 1024**2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "s"))
    (home / "deep").chmod(0o500)
    monkeypatch.setattr(homes, "VOLUME", str(tmp_path))
    for name, path in {"ARCHIVES": "archive", "LEAVING": "archive/leaving", "GONE": "archive/gone"}.items():
        monkeypatch.setattr(homes, name, str(tmp_path / path))
    to_leaving = [part.replace(system.LEAVING, str(tmp_path / "archive/leaving")) for part in homes.TAR]
    monkeypatch.setattr(homes, "TAR", tuple(to_leaving))
    return tmp_path


needs_zstd = needs("zstd")


@needs_zstd
def test_a_home_is_moved_whole_into_an_archive_that_only_root_reads(volume: Path) -> None:
    before = homes_content(volume / "home" / "ana")
    homes.archive_home("ana", None)
    [archive] = (volume / "archive").glob("ana-*.tar.zst")
    assert archive.stat().st_mode & 0o777 == 0o600
    assert not (volume / "home" / "ana").exists()
    assert (
        list((volume / "archive" / "leaving").iterdir())
        == list((volume / "archive" / "gone").iterdir())
        == []
    )
    (volume / "back").mkdir()
    subprocess.run(["tar", "-x", "--zstd", "-f", archive, "-C", volume / "back"], check=True)
    assert homes_content(volume / "back" / "ana") == before


def homes_content(home: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of all in a home but its socket, which no archive keeps."""
    return {
        os.fspath(path.relative_to(home)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in home.rglob("*")
        if not path.is_socket()
    }


@needs_zstd
@pytest.mark.parametrize("fault", ["cut", "short", "other"])
def test_a_home_stays_when_its_archive_is_not_the_same(
    volume: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    before = homes_content(volume / "home" / "ana")

    def spoiling(*command: str, **more: Any) -> str:
        """tar, after which something is wrong with the archive, or the home has changed."""
        said: str = tools.run(*command, **more)
        archive = volume / "archive" / ".ana.new"
        if "--create" in command and fault == "cut":
            os.truncate(archive, archive.stat().st_size // 2)
        elif "--create" in command and fault == "other":
            data = volume / "archive" / "leaving" / "ana" / "deep" / "er" / "data"
            data.write_bytes(bytes(5000))
        elif "--create" in command and fault == "short":
            tools.run(*homes.TAR, "--create", "--zstd", f"--file={archive}", "ana/link")
        return said

    monkeypatch.setattr(homes, "run", spoiling)
    with pytest.raises(tools.FailureError):
        homes.archive_home("ana", None)
    assert list((volume / "archive").glob("ana-*")) == []
    there = homes_content(volume / "archive" / "leaving" / "ana")
    assert set(there) == set(before)
    monkeypatch.setattr(homes, "run", tools.run)
    homes.archive_home("ana", None)  # the next run
    assert len(list((volume / "archive").glob("ana-*"))) == 1


def test_a_home_without_room_for_its_archive_stays(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes.os, "statvfs", lambda path: SimpleNamespace(f_bavail=1, f_frsize=1))
    with pytest.raises(tools.FailureError, match="grow dataVolumeGib"):
        homes.archive_home("ana", None)
    assert (volume / "archive" / "leaving" / "ana" / "link").is_symlink()
    homes.return_home("ana", None)
    assert (volume / "home" / "ana" / "link").is_symlink()


# Printed by repquota 4.06 with these options, in this form; the kernels of the tests' machines have no quota.
REPORT = """User,BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,FileUsed,FileSoftLimit,\
FileHardLimit,FileGrace
#0,ok,ok,20,0,0,,2,0,0,
#2000,ok,ok,1048576,0,20971520,,10,0,1339097,
#2001,ok,ok,16,0,10485760,,4,0,0,
""".replace("\\\n", "")


@pytest.mark.parametrize(
    ("options", "enforced"), [("rw\nusrquota\nquota\n", True), ("rw\nnoquota\n", False), (None, False)]
)
def test_limits_are_enforced_where_ext4_says_so_whatever_proc_mounts_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str | None, enforced: bool
) -> None:
    """What /proc/fs/ext4 says was seen of Linux 6.1, where /proc/mounts showed `rw,relatime` alone."""
    monkeypatch.setattr(quota, "EXT4", str(tmp_path))
    (tmp_path / "nvme1n1").mkdir()
    if options is not None:
        (tmp_path / "nvme1n1" / "options").write_text(options)
    answers = {"findmnt": "/dev/nvme1n1\n", "repquota": REPORT}
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(quota, "run", lambda *command: (asked.append(command), answers[command[0]])[1])
    assert (quota.shares() is not None) is enforced
    assert not enforced or "--verbose" in asked[-1], "without it, repquota leaves out who has no files"


@pytest.fixture
def fifty_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data volume of 50 GiB as mkfs.ext4 makes it, its own tables taken off: one inode for each 16 KiB."""
    volume = SimpleNamespace(f_blocks=12829442, f_frsize=4096, f_files=3276800)
    monkeypatch.setattr(quota.os, "statvfs", lambda path: volume)


def test_quotas_are_set_for_those_who_have_another_one(
    fifty_gib: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "shares", lambda: quota.parse(REPORT))
    twenty = quota.limit_of(20)
    assert quota.wrong(20, [2000, 2001, 2002]) == {2001: twenty, 2002: twenty}
    assert quota.wrong(None, [2000, 2001, 2002]) == {2000: quota.Limit(), 2001: quota.Limit()}


def test_who_may_have_a_share_of_the_disk_may_have_the_same_share_of_its_inodes(fifty_gib: None) -> None:
    twenty = quota.limit_of(20)
    assert (twenty.kib, twenty.inodes) == (20 * 1024**2, pytest.approx(3276800 * 20 / 48.94, rel=1e-3))
    assert twenty.inodes >= 20 * 1024**2 / 16
    assert quota.limit_of(50).inodes == int(3276800 * 0.95), "the hub's database may grow still"


def test_a_limit_of_inodes_alone_is_put_right_too(fifty_gib: None, monkeypatch: pytest.MonkeyPatch) -> None:
    report = REPORT.replace("20971520,,10,0,1339097,", "20971520,,10,0,0,")  # as of before there was one
    assert report != REPORT
    monkeypatch.setattr(quota, "shares", lambda: quota.parse(report))
    assert list(quota.wrong(20, [2000])) == [2000]


def test_all_quotas_are_set_by_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(quota, "run", lambda *command, given: calls.append((command[0], given)))
    quota.apply({2001: quota.Limit(20, 7), 2000: quota.Limit(10, 5)})
    quota.apply({})
    assert calls == [("setquota", "2000 0 10 0 5\n2001 0 20 0 7\n")]


def test_a_quota_that_the_volume_does_not_keep_is_refused_but_in_a_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quota, "shares", lambda: None)
    monkeypatch.setattr(quota, "is_container", lambda: True)
    assert quota.wrong(20, [2000]) == {}
    monkeypatch.setattr(quota, "is_container", lambda: False)
    assert quota.wrong(None, [2000]) == {}
    with pytest.raises(tools.FailureError, match=r"limits\.diskGib is 20, but the data volume"):
        quota.wrong(20, [2000])


def test_a_closed_account_whose_user_manager_would_run_from_boot_on_is_not_done_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {
        "passwd": [f"{name}:x:{uid}:{uid}::/home/{name}:/usr/sbin/nologin" for name, uid in UIDS.items()],
        "shadow": [f"{name}:!*:1:::::1:" for name in UIDS],
        "group": [],
    }
    monkeypatch.setattr(system, "fields", lambda name: (line.split(":") for line in lines[name]))
    monkeypatch.setattr(system, "LINGERING", tmp_path)
    monkeypatch.setattr("workbench_host.processes.owners", list)
    (tmp_path / "ana").touch()
    there = Registry({name: Entry(uid, locked=True) for name, uid in UIDS.items()})
    host = system.System(accounts=system.read_accounts(()), gids=UIDS)
    steps = accounts.plan([], there, host).steps
    assert [(step.verb, step.name) for step in steps if step.verb != "add_system_group"] == [
        ("end_sessions", "ana")
    ]
