"""Users' TMPDIR by PAM, with files of the test's and a pam-auth-update that leaves alone what was edited."""

import configparser
import os
import re
import subprocess
from pathlib import Path
from shlex import quote

import pytest

from deploy import temporary
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench_host.accounts.scratch import SCRATCH

ENABLES = "#!/bin/sh\necho pam_env.so conffile={conffile} | tee -a {files} > /dev/null\n"
LEAVES_ALONE = "#!/bin/sh\necho 'Local modifications to /etc/pam.d/common-*, not updating.' >&2\n"


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sessions = [folder / Path(path).name for path in temporary.PAM_SESSIONS]
        for path in self.sessions:
            path.write_text("session required pam_unix.so\n")

    def get_fact(self, fact: type) -> bool:
        assert fact is temporary.PamSessions
        found = temporary.PamSessions()
        return found.process(self.run(found.command()).stdout.splitlines())

    def noop(self, _: str) -> None: ...

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        for path, mine in zip(temporary.PAM_SESSIONS[::-1], self.sessions[::-1], strict=True):
            command = command.replace(path, str(mine))
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
        )

    def has_updater(self, script: str) -> None:
        program = self.folder / "pam-auth-update"
        files = " ".join(str(path) for path in self.sessions)
        program.write_text(script.format(conffile=temporary.PAM_ENVIRONMENT, files=files))
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(temporary, "host", made)
    return made


def commands() -> list[str]:
    return [str(command) for command in temporary.pam_sessions._inner()]


def test_pam_is_told_once(machine: Machine) -> None:
    machine.has_updater(ENABLES)
    [command] = commands()
    assert machine.run(command).returncode == 0
    assert commands() == []


def test_of_files_that_somebody_edited_a_deploy_says_what_to_do_and_fails(machine: Machine) -> None:
    machine.has_updater(LEAVES_ALONE)
    [command] = commands()
    done = machine.run(command)
    assert done.returncode == 1
    assert "edited by hand" in done.stderr
    assert f"`sudo {temporary.ENABLE} --force`" in done.stderr


def test_what_somebody_wrote_into_both_by_hand_will_do_and_into_one_will_not(machine: Machine) -> None:
    for path in machine.sessions:
        assert len(commands()) == 1
        path.write_text(f"session optional pam_env.so conffile={temporary.PAM_ENVIRONMENT}\n")
    assert commands() == []


def test_no_template_spells_a_path_that_has_a_constant() -> None:
    """Else one of the two is forgotten when the other changes."""
    spelt = re.compile(
        "|".join(
            re.escape(path)
            for path in (
                temporary.ROOT,
                temporary.ROOT_ENVIRONMENT,
                temporary.PAM_ENVIRONMENT,
                SCRATCH,
                temporary.SWITCH,
            )
        )
    )
    compiled = {".woff2", ".pyc"}  # the latter where a test has imported a template
    texts = {
        path: path.read_text()
        for path in TEMPLATES.rglob("*")
        if path.is_file() and path.suffix not in compiled
    }
    assert [str(path) for path, text in texts.items() if spelt.search(text)] == []


# /tmp and /var/tmp


def script(**variables: object) -> str:
    options = ",".join(temporary.OPTIONS)
    return render(
        "temporary/temporary-mounts.j2", **{"uids": range(0), "places": [], "options": options} | variables
    )


def test_where_a_user_is_at_work_the_switch_asks_by_the_uids_of_users() -> None:
    assert "$1 >= 7 && $1 < 9" in script(uids=range(7, 9))


@pytest.mark.parametrize(("unit", "place"), temporary.PLACES.items())
def test_a_boot_mounts_each_place_on_itself_and_lets_no_program_there_change_whom_it_runs_as(
    unit: str, place: str
) -> None:
    found = configparser.ConfigParser(interpolation=None)
    found.read_string((TEMPLATES / "temporary" / unit).read_text())
    assert (found["Mount"]["What"], found["Mount"]["Where"]) == (place, place)
    assert set(found["Mount"]["Options"].split(",")) == {"bind", *temporary.OPTIONS}
    assert found["Install"]["WantedBy"] == "local-fs.target", "users log in later"


@needs("systemd-analyze")
def test_systemd_takes_the_units() -> None:
    paths = [str(TEMPLATES / "temporary" / unit) for unit in temporary.PLACES]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "/temporary/" in line]) == (0, [])


@needs("unshare", "mount", "findmnt")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_program_that_lies_there_loses_what_its_bits_gave_and_what_is_open_goes_on(tmp_path: Path) -> None:
    """On the disk, where a folder is no mount yet, and in memory; a second run changes nothing.

    Where this machine's own /tmp is in memory, it says that this cannot be changed in use.
    """
    ids = "for at in disk memory; do setpriv --reuid=12345 --regid=12345 --clear-groups $at/id -u; done"
    look = f"{ids}; grep -c {tmp_path}/ /proc/self/mountinfo"
    steps = f"""
        mount -t tmpfs -o mode=755 memory {tmp_path.parent} && mkdir -p {tmp_path}/disk {tmp_path}/memory
        cd {tmp_path} && mount -t tmpfs -o noatime,mode=755 memory memory
        cat > mounts && for at in disk memory; do cp /usr/bin/id $at && chmod 4755 $at/id; done
        exec 3> disk/file; {look}; sh mounts >&2; {look}; sh mounts >&2; {look}; echo kept >&3; cat disk/file
        findmnt -no VFS-OPTIONS -M {tmp_path}/memory
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"umask 022; {steps}"],
        input=script(places=[tmp_path / "disk", tmp_path / "memory"]),
        capture_output=True,
        text=True,
        check=False,
    )
    *said, options = done.stdout.split()
    assert said == ["0", "0", "1", *["12345", "12345", "2"] * 2, "kept"], done.stderr
    assert {"noatime", "nosuid", "nodev"} <= set(options.split(","))


class Told:
    """A host that tells how the places are mounted; `put` is whether this run replaces a unit of theirs."""

    def __init__(self, output: list[str]) -> None:
        self.output = output

    def get_fact(self, fact: type) -> bool:
        assert fact is temporary.Mounted
        return temporary.Mounted().process(self.output)

    def noop(self, _: str) -> None: ...


def told(options: str = "rw,nosuid,nodev,relatime", **changes: str) -> list[str]:
    lines = []
    for unit in temporary.PLACES:
        shown = {
            "NeedDaemonReload": "no",
            "FragmentPath": f"/etc/systemd/system/{unit}",
            "UnitFileState": "enabled",
        }
        lines += [f"{key}={value}" for key, value in {**shown, **changes}.items()] + [""]
    return [*lines[:-1], options, "rw,nosuid,nodev"]


def mount_commands(monkeypatch: pytest.MonkeyPatch, output: list[str]) -> list[str]:
    monkeypatch.setattr(temporary, "host", Told(output))
    monkeypatch.setattr(temporary.files, "coming", lambda path: None)
    return [str(command) for command in temporary.mounts._inner()]


@pytest.mark.parametrize(
    "output",
    [
        [],
        told("rw,relatime"),
        told("rw,nosuid"),
        told()[:-1],
        told(NeedDaemonReload="yes"),
        told(UnitFileState="disabled"),
        told(FragmentPath="/usr/lib/systemd/system/tmp.mount", UnitFileState="static"),
        told(FragmentPath="/dev/null", UnitFileState="masked"),
    ],
)
def test_places_that_are_mounted_otherwise_now_or_at_the_next_boot_are_mounted_and_nothing_is_stopped(
    monkeypatch: pytest.MonkeyPatch, output: list[str]
) -> None:
    [command] = mount_commands(monkeypatch, output)
    assert "daemon-reload" in command
    assert "stop" not in command.replace("workbench", "")
    assert command.endswith(temporary.SWITCH)


def test_places_that_are_mounted_so_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mount_commands(monkeypatch, told()) == []


@pytest.mark.parametrize(("status", "unmounted"), [(0, ["disk", "/tmp"]), (1, ["disk"])])
def test_what_cannot_be_copied_out_of_memory_stays_there_and_ends_no_deploy(
    tmp_path: Path, status: int, unmounted: list[str]
) -> None:
    fakes = {
        "findmnt": "echo tmpfs",
        "ps": "",
        "mktemp": "mkdir -p disk/tmp; echo disk",
        "mount": "",
        "umount": 'echo "$1" >> unmounted',
        "rmdir": "",
        "cp": f"exit {status}",
    }
    for name, body in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", script()], env=path, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "unmounted").read_text().split() == unmounted
    assert ("not all that is in the one in memory can be copied" in done.stdout) == bool(status)


def test_debconfs_lock_is_waited_for_and_nothing_else(tmp_path: Path) -> None:
    """Packages that are installed beside it hold the lock; any other failure is told at once."""
    tries, program = tmp_path / "tries", tmp_path / "busy"
    locked = 'DbDriver "config": config.dat is locked by another process: Resource temporarily unavailable'
    program.write_text(
        f"echo >> {tries}; [ $(wc -l < {tries}) -gt 1 ] || {{ echo {quote(locked)} >&2; exit 1; }}"
    )
    busy = temporary._when_unlocked(f"sh {program}")
    assert subprocess.run(["sh", "-c", busy], check=False).returncode == 0
    assert tries.read_text() == "\n\n"
    broken = temporary._when_unlocked("cat /nowhere")
    done = subprocess.run(["sh", "-c", broken], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/nowhere" in done.stderr
