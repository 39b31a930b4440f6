"""Accounts on a host that runs: declared, closed, opened again, and passwords that their owners change."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.workbench_in_lab import Workbench, run
from workbench import stack as stacks

pytestmark = pytest.mark.lab

# A process that is never there for longer than a millisecond, but its child then is.
FORKS = shlex.join(
    [
        "python3",
        "-c",
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while os.fork() == 0 or os._exit(0): time.sleep(0.001); open('/dev/shm/forking', 'w').close()",
    ]
)
IS_FORKING = "rm -f /dev/shm/forking; sleep 1; ls /dev/shm/forking"


def shadow(workbench: Workbench, name: str) -> str:
    return workbench.ssh(f"getent shadow {name}").stdout.split(":")[1]


def registry(workbench: Workbench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workbench.ssh("cat /srv/workbench/users/registry.json").stdout)[
        "users"
    ]
    return found


def test_accounts_are_as_declared(workbench: Workbench) -> None:
    assert workbench.ssh("id -u ada; id -u grace").stdout.split() == ["2000", "2001"]
    admin = {"ada", "sudo", "workbench-admins", "workbench-users"}
    assert set(workbench.ssh("id -Gn ada").stdout.split()) == admin
    assert workbench.ssh("id -Gn grace").stdout.split() == ["grace", "workbench-users"]
    homes = workbench.ssh("stat -c '%n %a %U %G' /home/ada /home/grace").stdout.splitlines()
    assert homes == ["/home/ada 700 ada ada", "/home/grace 700 grace grace"]


def test_one_user_sees_nothing_of_another_nor_of_what_is_remembered(workbench: Workbench) -> None:
    for path in ("/home/ada", "/srv/workbench/users", "/srv/workbench/ssh", "/etc/workbench/users.json"):
        look = f"[ -d {path} ] && ls {path} || cat {path}"
        refused = workbench.ssh(f"runuser -u grace -- sh -c '{look}'", check=False)
        assert "Permission denied" in refused.stderr, path
        assert refused.stdout == ""


def test_an_administrator_is_asked_for_the_password_by_sudo_and_others_are_refused(
    workbench: Workbench,
) -> None:
    asked = workbench.ssh("runuser -u ada -- sudo -n true", check=False)
    assert "a password is required" in asked.stderr
    password = workbench.password("ada")
    assert (
        workbench.ssh(f"echo '{password}' | runuser -u ada -- sudo -S -p '' id -un").stdout.strip() == "root"
    )
    password = workbench.password("grace")
    refused = workbench.ssh(f"echo '{password}' | runuser -u grace -- sudo -S -p '' id -un", check=False)
    assert refused.returncode != 0


def test_a_password_changed_by_its_owner_stays_and_is_remembered_on_the_volume(workbench: Workbench) -> None:
    old, new = workbench.password("grace"), "another pass phrase 7"
    change = "printf '%s\\n%s\\n%s\\n' '{}' '{}' '{}' | runuser -u grace -- passwd"
    workbench.ssh(change.format(old, new, new))
    try:
        workbench.ssh("sleep 2")  # the path unit sees the change and saves it
        changed = shadow(workbench, "grace")
        assert registry(workbench)["grace"]["shadow"] == changed
        assert workbench.apply().changed == []
        assert shadow(workbench, "grace") == changed
    finally:
        before = workbench.declared_users[1]["passwordHash"]
        workbench.ssh(f"echo 'grace:{before}' | chpasswd -e; sleep 2")


def test_a_user_who_is_taken_out_is_shut_out_at_once_and_comes_back_as_before(workbench: Workbench) -> None:
    users = workbench.declared_users
    hash_before, uid = shadow(workbench, "grace"), workbench.ssh("id -u grace").stdout
    workbench.ssh("runuser -u grace -- sh -c 'echo kept > ~/note; nohup sleep 900 > /dev/null 2>&1 &'")
    with workbench.settings(users=users[:1]) as applied:
        assert applied.status == 0, applied.output
        assert shadow(workbench, "grace").startswith("!")
        assert workbench.ssh("getent passwd grace").stdout.strip().endswith("/usr/sbin/nologin")
        assert workbench.ssh("pgrep -u grace", check=False).stdout == ""
        assert workbench.ssh("test -e /etc/ssh/authorized_keys.d/grace", check=False).returncode == 1
        assert workbench.ssh("cat /home/grace/note").stdout.strip() == "kept"
        assert workbench.apply().changed == []
    assert shadow(workbench, "grace") == hash_before
    assert workbench.ssh("id -u grace").stdout == uid
    assert workbench.ssh("runuser -u grace -- cat /home/grace/note").stdout.strip() == "kept"


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.long)])
def test_many_users_are_as_many_operations_as_one(workbench: Workbench, count: int) -> None:
    users = workbench.declared_users
    many = [{"name": f"many{count}-{number:03}"} for number in range(count)]
    with workbench.settings(users=[*users, users[0] | {"name": f"one{count}"}]) as applied:
        one = applied.changed
        assert one
        applied = workbench.apply({"users": [*users, *many]})
        assert applied.status == 0, applied.output
        assert applied.changed == one
        uids = workbench.ssh(f"getent passwd | grep ^many{count}- | cut -d: -f3").stdout.split()
        assert len(set(uids)) == count


def test_a_uid_that_is_somebody_elses_is_refused_and_nothing_is_done(workbench: Workbench) -> None:
    users = workbench.declared_users
    before = registry(workbench)
    with workbench.settings(users=[*users, {"name": "mallory", "uid": 2000}]) as applied:
        assert applied.status != 0
        assert "user mallory is to have uid 2000, which ada has or had" in applied.output
        assert registry(workbench) == before
        assert workbench.ssh("getent passwd mallory", check=False).returncode == 2


def test_a_group_shares_a_folder_and_a_removed_users_home_is_in_an_archive(workbench: Workbench) -> None:
    """One deploy makes a user and a group, a second removes the user; disk quotas are no part of this kernel."""
    ada, grace = workbench.declared_users
    alan = {"name": "alan", "groups": ["wind-tunnel"], "sshKeys": grace["sshKeys"]}
    users = [ada | {"groups": ["wind-tunnel"]}, grace, alan]
    folder = "/srv/workbench/shared/wind-tunnel"
    with workbench.settings(users=users, limits={"diskGib": 3}) as applied:
        assert applied.status == 0, applied.output
        workbench.ssh(
            "runuser -u alan -- sh -c 'umask 077; cd ~/shared/wind-tunnel; mkdir d; echo his > d/file'"
        )
        workbench.ssh(f"runuser -u ada -- sh -c 'echo hers >> {folder}/d/file'")
        assert workbench.ssh(f"cat {folder}/d/file").stdout.split() == ["his", "hers"]
        refused = workbench.ssh(f"runuser -u grace -- ls {folder}", check=False)
        assert "Permission denied" in refused.stderr
        workbench.ssh("runuser -u grace -- touch /srv/workbench/shared/everybody/hello")
        # A second name, by which he would go on changing the file after leaving the group.
        for kept in (
            "/srv/workbench/shared/everybody/kept",
            "/srv/workbench/tmp/alan/kept",
            "/srv/workbench/home/alan/kept",
            "~/kept",
        ):
            linked = workbench.ssh(f"runuser -l alan -c 'ln ~/shared/wind-tunnel/d/file {kept}'", check=False)
            assert "Invalid cross-device link" in linked.stderr, kept
        workbench.ssh("runuser -u alan -- sh -c 'echo his > ~/note; nohup sleep 900 > /dev/null 2>&1 &'")
        # Who leaves a group has it in nothing that runs; a systemd that runs from boot on would hand it on for ever.
        workbench.ssh("loginctl enable-linger ada")
        manager = "env XDG_RUNTIME_DIR=/run/user/$(id -u ada) systemd-run --user -q --pipe"
        in_systemd = f"runuser -u ada -- {manager} ls {folder}"
        assert workbench.ssh(in_systemd).stdout.split() == ["d"]
        chain = (
            f"env XDG_RUNTIME_DIR=/run/user/$(id -u ada) systemd-run --user -q -p RemainAfterExit=yes {FORKS}"
        )
        workbench.ssh(f"runuser -u ada -- {chain}")
        assert workbench.ssh(IS_FORKING).stdout
        for user in ("ada", "grace"):
            workbench.ssh(f"runuser -u {user} -- sh -c 'nohup sleep 901 > /dev/null 2>&1 &'")

        removing = workbench.apply({"users": [ada, grace, alan | {"removed": True}]})
        assert removing.status == 0, removing.output
        assert "Permission denied" in workbench.ssh(f"{in_systemd} 2>&1", check=False).stdout
        assert workbench.ssh("pgrep -u ada -x sleep", check=False).stdout == ""
        assert workbench.ssh(IS_FORKING, check=False).stdout == "", "it ignores SIGTERM, and no look finds it"
        assert workbench.ssh("pkill -u grace -x sleep; echo $?").stdout.split() == ["0"]
        workbench.ssh("loginctl disable-linger ada")
        assert "alan" not in workbench.ssh("ls /home /srv/workbench/archive/*").stdout.split()
        report = json.loads(workbench.command("users", "--json").stdout)
        [removed] = [user for user in report["users"] if user["name"] == "alan"]
        assert (removed["state"], removed["sessions"]["processes"]) == ("removed", 0)
        *_, archive = removed["archives"]
        assert workbench.ssh(f"stat -c '%a %U' {archive}").stdout.split() == ["600", "root"]
        assert workbench.ssh(f"cat {folder}/d/file").stdout.split() == ["his", "hers"]
        assert archive in workbench.command("users").stdout
        assert (report["disk_limit_gib"], report["disk_limit_enforced"]) == (3, False)
        assert workbench.apply().changed == []

        # back again, by the command of docs/host.md
        returning = workbench.apply({"users": users})
        assert returning.status == 0, returning.output
        workbench.ssh(f"tar --zstd --acls --xattrs --numeric-owner -C /home -xf {archive}")
        assert workbench.ssh("runuser -u alan -- cat /home/alan/note").stdout.strip() == "his"
    workbench.ssh(f"rm -r {archive} {folder}/d /srv/workbench/shared/everybody/hello")


def test_a_login_is_remembered_and_counted(workbench: Workbench) -> None:
    command = stacks.ssh_command(workbench.outputs)
    run([*command[:-1], f"grace@{workbench.outputs.address}", "true"])
    report = json.loads(workbench.command("users", "--json").stdout)
    seen = next(user["last_seen"] for user in report["users"] if user["name"] == "grace")
    assert datetime.now(UTC) - datetime.fromisoformat(seen) < timedelta(minutes=2)


@contextmanager
def comes_back(workbench: Workbench, user: str) -> Iterator[None]:
    """Somebody who is there by SSH again as soon as what runs was ended, three times at once, as clients do it.

    From the host itself: sshd makes an address from which logins fail wait, and the deploy comes from another one.
    """
    key, home = "/root/comes-back", f"/home/{user}"
    workbench.ssh(
        f"rm -f {key}; ssh-keygen -qt ed25519 -N '' -f {key}; install -d -m 700 -o {user} {home}/.ssh; "
        f"install -m 600 -o {user} {key}.pub {home}/.ssh/authorized_keys"
    )
    options = f"-i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    loop = shlex.quote(f"while :; do ssh {options} {user}@127.0.0.1 sleep 60; sleep 0.1; done")
    for number in range(3):
        workbench.ssh(f"systemd-run -q --collect --unit=comes-back-{number} sh -c {loop}")
    try:
        workbench.ssh(f"for i in $(seq 50); do pgrep -u {user} -x sleep && exit; sleep 0.2; done; exit 1")
        yield
    finally:
        workbench.ssh(f"systemctl stop 'comes-back-*'; rm -f {key} {key}.pub {home}/.ssh/authorized_keys")


def test_a_renamed_user_keeps_uid_home_password_and_what_has_the_old_path_in_it(workbench: Workbench) -> None:
    ada, grace = workbench.declared_users
    before = shadow(workbench, "grace")
    venv = "mkdir -p ~/v/bin && ln -s /usr/bin/python3 ~/v/bin/python && echo \\#!/home/grace/v/bin/python > ~/v/run"
    workbench.ssh(f"runuser -l grace -c '{venv} && echo print\\(6*7\\) >> ~/v/run && chmod +x ~/v/run'")
    workbench.ssh("runuser -l grace -c 'echo kept > ~/note'")
    new = grace | {"name": "gracie", "formerly": "grace"}
    with comes_back(workbench, "grace"), workbench.settings(users=[ada, new]) as renamed:
        assert renamed.status == 0, renamed.output
        assert workbench.ssh("getent passwd grace", check=False).stdout == ""
        account = workbench.ssh("getent passwd gracie").stdout.strip().split(":")
        assert account[2:4] + account[5:] == ["2001", "2001", "/home/gracie", "/bin/bash"]
        assert workbench.ssh("id -Gn gracie").stdout.split() == ["gracie", "workbench-users"]
        assert shadow(workbench, "gracie") == before
        assert workbench.ssh("runuser -l gracie -c 'cat ~/note; ~/v/run'").stdout.split() == [
            "kept",
            "42",
        ]
        assert workbench.ssh("pgrep -u 2001 sleep", check=False).stdout == ""
        assert workbench.ssh("readlink /home/grace; readlink /run/workbench-apps/gracie").stdout.split() == [
            "gracie",
            "2001",
        ]
        back = workbench.apply({"users": [ada, grace | {"formerly": "gracie"}]})
        assert back.status == 0, back.output
    assert workbench.ssh("runuser -l grace -c 'cat ~/note'").stdout.strip() == "kept"
    assert registry(workbench)["grace"]["uid"] == 2001
    workbench.ssh("rm -r /home/grace/v /home/grace/note")
