"""What lies in shared folders: `grace` puts there what programs look for, and `ada` starts them there.

Each names its row of the list of attacks.
"""

import shlex
from collections.abc import Iterator

import pytest

from lab.visitor import R, Visitor
from tests.e2e.attacks.people import EVERYBODY, as_user, visiting
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

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
    with visiting(workbench, "ada") as visitor:
        yield visitor


def nothing_ran(workbench: Workbench) -> None:
    assert workbench.ssh(f"cat {RAN} 2>/dev/null || true").stdout == ""


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
