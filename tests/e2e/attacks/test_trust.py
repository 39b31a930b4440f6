"""What programs trust: temporary files, shared folders, what others see. `grace` attacks, `ada` or root is the victim.

Each names its row of the list of attacks (docs/security.md); none needs more than an account.
"""

import shlex
from collections.abc import Iterator

import pytest

from lab.visitor import R, Visitor
from tests.workbench_in_lab import Workbench
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.lab

EVERYBODY = "/srv/workbench/shared/everybody"
TRAP = f"{EVERYBODY}/trap"
RAN = f"{EVERYBODY}/ran"  # where what lies in the trap notes as whom it ran
MODULES = (
    "pandas",
    "ipykernel_launcher",
    "sitecustomize",
    "usercustomize",
    "numexpr",
    "readline",
    "pip",
    "IPython",
)


def as_user(workbench: Workbench, name: str, script: str) -> str:
    """What a login shell of the user prints for the script, errors too."""
    login = f"su -l {name} -c {shlex.quote(script)} 2>&1 < /dev/null"
    said = workbench.ssh(login, check=False).stdout
    return "".join(f"{line}\n" for line in said.splitlines() if not line.startswith("Last login: "))


def attempt(visitor: Visitor, code: str, kernel: str = "python3") -> str:
    """What the code prints, or how it failed."""
    try:
        return visitor.run_code(code, kernel=kernel)
    except WorkbenchError as error:
        return str(error)


@pytest.fixture(scope="module")
def trap(workbench: Workbench) -> Iterator[str]:
    """A shared folder in which grace has put all that programs look for where they are started."""
    note = f"import getpass\nopen({RAN!r}, 'a').write(getpass.getuser() + ' ' + __name__ + chr(10))\n"
    lines = [f"mkdir -p {TRAP} && cd {TRAP}"]
    lines += [f"printf %s {shlex.quote(note)} > {name}.py" for name in (*MODULES, "ipython_config")]
    r_note = f'cat(Sys.getenv("USER"), "R\\n", file = "{RAN}", append = TRUE)'
    lines += [
        f"echo {shlex.quote(r_note)} > .Rprofile",
        "echo PLANTED=yes > .Renviron",
        f"Rscript --vanilla -e {shlex.quote(f'.First <- function() {r_note}; save.image()')}",
        f"echo {shlex.quote(f'!open({RAN!r}, chr(97)).write(chr(112))')} > .pdbrc",
        f"rm -f {RAN}",
    ]
    said = as_user(workbench, "grace", "\n".join(lines))
    assert workbench.ssh(f"ls -A {TRAP}").stdout.split().count(".RData") == 1, said
    yield TRAP
    workbench.ssh(f"rm -rf {TRAP} {RAN}")


@pytest.fixture(scope="module")
def ada(workbench: Workbench) -> Iterator[Visitor]:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        yield visitor


@pytest.fixture(scope="module")
def grace(workbench: Workbench) -> Iterator[Visitor]:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        yield visitor


def nothing_ran(workbench: Workbench) -> None:
    assert workbench.ssh(f"cat {RAN} 2>/dev/null || true").stdout == ""


# Shared folders


def test_a_notebook_in_a_shared_folder_imports_nothing_that_lies_there(
    workbench: Workbench, ada: Visitor, trap: str
) -> None:
    """A10: pandas.py, ipykernel_launcher.py and others beside a notebook. The first cell says so."""
    ada.new_kernels()
    ada.folder = "shared/everybody/trap"
    said = ada.run_code("import os, pandas; print(os.getcwd(), pandas.__file__)", errors=True)
    ada.run_code("import pdb; pdb.Pdb().rcLines")
    ada.folder = ""
    ada.new_kernels()
    assert f"trust-folder {TRAP}" in said
    assert f"{TRAP} /opt/workbench/python" in said
    nothing_ran(workbench)


def test_an_r_notebook_in_a_shared_folder_runs_no_profile_and_no_workspace(
    workbench: Workbench, ada: Visitor, trap: str
) -> None:
    """A10: .Rprofile, .Renviron, and a .First in .RData."""
    ada.new_kernels()
    ada.folder = "shared/everybody/trap"
    said = ada.run_code('cat(getwd(), length(ls()), nchar(Sys.getenv("PLANTED")))', kernel=R, errors=True)
    ada.folder = ""
    ada.new_kernels()
    assert f"trust-folder {TRAP}" in said
    assert f"{TRAP} 0 0" in said
    nothing_ran(workbench)


@pytest.mark.parametrize(
    "command",
    [
        "R --no-save --slave -e 1",
        "Rscript -e 1",
        "python -c 'import pandas'",
        "python -m pip --version",
        "echo 'import pandas' | python",
        "/usr/bin/python3 -m pip --version",
        "ipython -c 'import pandas'",
    ],
)
def test_a_terminal_in_a_shared_folder_runs_nothing_that_lies_there(
    workbench: Workbench, trap: str, command: str
) -> None:
    """A10: also where it is entered by the link in the home."""
    for way in (TRAP, "~/shared/everybody/trap"):
        as_user(workbench, "ada", f"cd {way} && {command}")
    nothing_ran(workbench)


def test_root_runs_nothing_of_a_shared_folder_either(workbench: Workbench, trap: str) -> None:
    """A10: an administrator looks into a user's folder."""
    workbench.ssh(f"cd {TRAP} && python3 -c 'import readline' && Rscript -e 1 && R --no-save --slave -e 1")
    nothing_ran(workbench)


def test_what_lies_in_ones_own_folder_runs_as_ever(workbench: Workbench, ada: Visitor) -> None:
    """The other side of A10: modules beside a notebook, a project's .Rprofile and .Renviron, in one's own home."""
    made = (
        "mkdir -p ~/project && cd ~/project && echo 'VALUE = 42' > helper.py && "
        "echo 'cat(\"profile\\n\")' > .Rprofile && echo PROJECT=mine > .Renviron && "
        "Rscript -e 'cat(Sys.getenv(\"PROJECT\"))' && python -c 'import helper; print(helper.VALUE)'"
    )
    assert as_user(workbench, "ada", made).split() == ["profile", "mine42"]
    ada.new_kernels()
    ada.folder = "project"
    said = ada.run_code("import helper; print(helper.VALUE)")
    ada.folder = ""
    ada.new_kernels()
    assert said.split() == ["42"]
    workbench.ssh("rm -r /home/ada/project")


def test_a_folder_that_its_user_trusts_runs_as_the_user_says(workbench: Workbench) -> None:
    """A10: trusted by one is trusted by nobody else."""
    team = f"{EVERYBODY}/team"
    as_user(workbench, "grace", f"mkdir -p {team} && echo 'print(\"helped\")' > {team}/helper.py")
    try:
        assert "helped" not in as_user(workbench, "ada", f"cd {team}; python -c 'import helper'")
        said = as_user(workbench, "ada", f"cd {team}; trust-folder; python -c 'import helper'")
        assert "helped" in said
        assert "helped" not in as_user(workbench, "grace", f"cd {team}; python -c 'import helper'")
    finally:
        workbench.ssh(f"rm -rf {team} /home/ada/.config/workbench/trusted /home/ada/.gitconfig")


def test_a_repository_in_a_shared_folder_runs_nothing_as_another_member(workbench: Workbench) -> None:
    """A10, C24: git's hooks and settings, planted in a repository of the victim's own; with trust it is shared."""
    at = f"{EVERYBODY}/repository"
    owner = f"mkdir {at} && cd {at} && git init -q . && trust-folder && echo 1 > one && git add one"
    commit = "git -c user.name=x -c user.email=x@example.org commit -qm"
    try:
        as_user(workbench, "ada", f"{owner} && {commit} one; rm ~/.config/workbench/trusted ~/.gitconfig")
        planted = f"#!/bin/sh\\nid -un >> {RAN}\\n"
        as_user(
            workbench,
            "grace",
            f"cd {at}/.git && printf '[core]\\n\\tfsmonitor = {RAN}.sh\\n' >> config && "
            f"printf '{planted}' > {RAN}.sh && chmod +x {RAN}.sh && cp {RAN}.sh hooks/pre-commit",
        )
        for command in (
            "git status",
            f"git -C {at} status",
            f"git --git-dir={at}/.git log",
            f"cd {at}/.git; git log",
        ):
            said = as_user(workbench, "ada", f"cd {at}; {command}")
            assert f"trust-folder {at}" in said, command
        nothing_ran(workbench)
        workbench.ssh(f"cd {at}/.git && sed -i '/fsmonitor/d' config && rm hooks/pre-commit")
        said = as_user(
            workbench, "grace", f"cd {at}; trust-folder; echo 2 > two; git add two; {commit} two; git log"
        )
        assert "two" in said
        assert "two" in as_user(
            workbench, "ada", f"cd {at}; trust-folder; git pull -q . ; git log; {commit} three"
        )
    finally:
        homes = " ".join(
            f"/home/{name}/.config/workbench/trusted /home/{name}/.gitconfig" for name in ("ada", "grace")
        )
        workbench.ssh(f"rm -rf {at} {RAN} {RAN}.sh {homes}")


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
    workbench.ssh("touch -d '2 days ago' /dev/shm/of-grace && systemctl start workbench-leftovers.service")
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
        f"touch -h -d '2 days ago' {scratch}/* /dev/shm/of-ada /dev/shm/of-grace; "
        "pkill -9 -u grace; sleep 0.5; systemctl start workbench-leftovers.service"
    )
    assert (
        workbench.ssh(f"ls -A {scratch}; cat /srv/workbench/tmp/ada/kept; ls /dev/shm")
        .stdout.split()
        .count("kept")
        == 1
    )
    assert workbench.ssh(f"ls -A {scratch}").stdout == ""
    assert workbench.ssh("test -s /etc/passwd && ls /dev/shm").stdout.split().count("of-grace") == 0
    workbench.ssh("rm -f /dev/shm/of-ada /srv/workbench/tmp/ada/kept")
