"""Users' TMPDIR by PAM, with files of the test's and a pam-auth-update that leaves alone what was edited."""

import os
import re
import subprocess
from pathlib import Path
from shlex import quote

import pytest

from deploy import temporary
from deploy.files import TEMPLATES, render
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


def test_where_a_user_is_at_work_the_switch_asks_by_the_uids_of_users() -> None:
    text = render("temporary/tmp-on-disk.j2", uids=range(7, 9))
    assert "$1 >= 7 && $1 < 9" in text


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
    script = render("temporary/tmp-on-disk.j2", uids=range(7, 9))
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", script], env=path, cwd=tmp_path, capture_output=True, text=True, check=False
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
