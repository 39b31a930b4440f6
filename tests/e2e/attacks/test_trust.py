"""What programs trust: temporary files, and what others see. `grace` attacks, `ada` or root is the victim.

Each names its row of the list of attacks; none needs more than an account.
"""

from collections.abc import Iterator

import pytest

from lab.visitor import R, Visitor
from tests.e2e.attacks.people import as_user, attempt, visiting
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

# What workbench-leftovers.service does, without a wait for the hours: a file's time of change cannot be set.
CLEAR_AT_ONCE = (
    "cd /usr/local/lib/workbench/host && python3 -c 'from workbench_host import leftovers; "
    "leftovers.HOUR_SECONDS = leftovers.DAY_SECONDS = -1; exit(leftovers.main([]))'"
)


@pytest.fixture(scope="module")
def ada(workbench: Workbench) -> Iterator[Visitor]:
    with visiting(workbench, "ada") as visitor:
        yield visitor


@pytest.fixture(scope="module")
def grace(workbench: Workbench) -> Iterator[Visitor]:
    with visiting(workbench, "grace") as visitor:
        yield visitor


# Temporary files


def test_what_root_runs_takes_nothing_from_tmp(workbench: Workbench) -> None:
    """A6: Node's cache of compiled modules, which npm looks for in /tmp, put there before."""
    cache = "/tmp/node-compile-cache"
    workbench.ssh(f"rm -rf {cache}")
    as_user(workbench, "grace", f"mkdir -m 777 {cache}")
    said = workbench.ssh(
        f"/opt/workbench/jupyterhub/bin/npm --version && find {cache} -mindepth 1; rm -rf {cache}; "
        "python3 -c 'import tempfile; print(tempfile.gettempdir())'; stat -c '%U %a' /var/lib/workbench/tmp"
    ).stdout
    assert said.splitlines()[1:] == ["/var/lib/workbench/tmp", "root 700"]


def test_temporary_files_of_a_user_are_where_nobody_else_can_put_any(
    workbench: Workbench, ada: Visitor, grace: Visitor
) -> None:
    """A6, among users: the same folder in a notebook, a terminal and over SSH, and closed to others."""
    folder = "/srv/workbench/tmp/ada"
    assert ada.run_code("import tempfile; print(tempfile.gettempdir())").strip() == folder
    assert ada.run_code("cat(dirname(tempdir()))", kernel=R).strip() == folder
    assert as_user(workbench, "ada", "echo $TMPDIR").split()[-1] == folder
    for attack in (
        f"os.listdir({folder!r})",
        f"open({folder + '/x'!r}, 'w')",
        f"os.rename({folder!r}, {folder + '2'!r})",
        "os.symlink('/etc', '/srv/workbench/tmp/new')",
    ):
        assert "Permission" in attempt(grace, f"import os\n{attack}"), attack


def test_tmp_is_on_the_disk_and_nothing_is_taken_away_under_a_session(workbench: Workbench) -> None:
    """C26: no file system of memory, and no age after which a session's folder goes."""
    assert workbench.ssh("stat -f -c %T /tmp").stdout.strip() != "tmpfs"
    rules = workbench.ssh("systemd-tmpfiles --cat-config | grep -E '^[a-zA-Z!]+ +/(var/)?tmp '").stdout
    assert rules
    assert {line.split()[-1] for line in rules.splitlines()} == {"-"}


# What others see


def test_processes_of_others_are_not_seen_from_a_notebook(
    workbench: Workbench, ada: Visitor, grace: Visitor
) -> None:
    """A11: command lines in /proc, by ps, in units' files and over D-Bus; one's own are there."""
    ada.run_code("import subprocess; p = subprocess.Popen(['sleep', '3333.25'])")
    seen = grace.run_code(
        "import os, pathlib\n"
        "found = [p for p in pathlib.Path('/proc').glob('[0-9]*') if p.stat().st_uid != os.getuid()]\n"
        "print(len(found), os.path.exists('/proc/self/stat'))"
    )
    assert seen.split() == ["0", "True"]
    assert "3333.25" not in grace.run_code("import subprocess; print(subprocess.getoutput('ps -efww'))")
    assert "ipykernel" in grace.run_code("print(subprocess.getoutput('ps -efww'))")
    asked = "systemctl show jupyter-ada-singleuser; systemctl status; ls /run/systemd/transient"
    said = grace.run_code(f"print(subprocess.getoutput({asked!r}))")
    assert "ExecStart" not in said
    assert "Permission denied" in said
    assert as_user(workbench, "grace", "ps -ef").count("root") == 0
    ada.run_code("p.kill()")


def test_the_token_of_anothers_server_is_nowhere_to_be_read(
    workbench: Workbench, ada: Visitor, grace: Visitor
) -> None:
    """A11: environments of units and processes."""
    token = ada.run_code("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
    look = "cat /proc/*/environ /proc/*/cmdline /run/jupyter*/*.env /run/systemd/transient/* 2>/dev/null"
    said = grace.run_code(f"import subprocess; print(subprocess.getoutput({look!r}))")
    assert len(token) > 20
    assert token not in said


def test_shared_memory_stays_as_long_as_anything_of_its_user_runs(
    workbench: Workbench, grace: Visitor
) -> None:
    """C23: logind clears nothing away; leftovers does, as the user, once nothing of the user runs."""
    manager = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
    assert workbench.ssh(f"busctl get-property {manager} RemoveIPC").stdout.split() == ["b", "false"]
    grace.run_code("open('/dev/shm/of-grace', 'w').write('x')")
    workbench.ssh(CLEAR_AT_ONCE)
    assert workbench.ssh("ls /dev/shm").stdout.split().count("of-grace") == 1


def test_clearing_away_follows_no_link_and_takes_nothing_of_others(
    workbench: Workbench, grace: Visitor
) -> None:
    """C23: links and a fifo in a temporary folder, from a user of whom nothing runs."""
    grace.new_kernels()  # they end here
    scratch = "/srv/workbench/tmp/grace"
    workbench.ssh(
        "systemctl stop 'jupyter-grace-singleuser.service'; loginctl terminate-user grace; sleep 1",
        check=False,
    )
    workbench.ssh(
        "echo kept > /srv/workbench/tmp/ada/kept; chown ada: /srv/workbench/tmp/ada/kept; "
        "touch /dev/shm/of-ada /dev/shm/of-grace; chown ada: /dev/shm/of-ada; chown grace: /dev/shm/of-grace; "
        f"setpriv --reuid=grace --regid=grace --clear-groups sh -c 'cd {scratch} && mkdir folder && "
        "ln -s /srv/workbench/tmp/ada folder/link && ln -s /etc link && mkfifo fifo && ln -s /etc/passwd file'; "
        "touch -d '2 days' /dev/shm/of-grace; "  # which makes it no younger
        "pkill -9 -u grace; sleep 0.5; systemctl start workbench-leftovers.service"
    )
    assert workbench.ssh(f"ls {scratch} /dev/shm").stdout.split().count("of-grace") == 1, "it is new"
    workbench.ssh(CLEAR_AT_ONCE)
    assert (
        workbench.ssh(f"ls -A {scratch}; cat /srv/workbench/tmp/ada/kept; ls /dev/shm")
        .stdout.split()
        .count("kept")
        == 1
    )
    assert workbench.ssh(f"ls -A {scratch}").stdout == ""
    assert workbench.ssh("test -s /etc/passwd && ls /dev/shm").stdout.split().count("of-grace") == 0
    workbench.ssh("rm -f /dev/shm/of-ada /srv/workbench/tmp/ada/kept")


# Locks


def test_nobody_can_hold_a_lock_of_roots(workbench: Workbench) -> None:
    """F4: flock(2) needs no more than to open the file; deploys waited for whoever held it, for ever."""
    # /run/mount has the lock of Debian's mount.
    look = "find /run /run/lock -xdev -path /run/mount -prune -o -user root -type f -name '*.lock' -print"
    found = workbench.ssh(look).stdout.split()
    assert "/run/workbench/accounts.lock" in found
    tries = "; ".join(f"flock -n {path} true && echo held {path}" for path in found)
    assert "held" not in as_user(workbench, "grace", tries)


def test_sshd_has_no_socket_that_everybody_may_open(workbench: Workbench) -> None:
    """F6: systemd's own, /run/ssh-unix-local/socket, was a way to sshd that no firewall and no ban saw."""
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ssh-unix-local/socket')"
    assert "Error" in as_user(workbench, "grace", f'python3 -c "{connect}"')
    assert workbench.ssh("ss -Hlx | grep -c ssh-unix; true").stdout.strip() == "0"
    assert workbench.ssh("systemctl list-units --plain --no-legend 'sshd-*.socket'").stdout == ""
