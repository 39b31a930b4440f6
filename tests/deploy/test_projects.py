"""Projects on a host that runs, in Python and in R, in a home and in a shared folder; and git by SSH.

Packages of Python come from PyPI. The forge is stood in by the host's own sshd, with a repository of grace's.
"""

import shlex

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

IDENTITY = " ".join(f"GIT_{who}_NAME=Grace GIT_{who}_EMAIL=g@example.org" for who in ("AUTHOR", "COMMITTER"))
EXECUTE = "/opt/workbench/jupyterhub/bin/python -I /usr/local/lib/workbench/host/workbench_hub/execute.py"


def as_user(workbench: Workbench, user: str, command: str, check: bool = True) -> str:
    return workbench.ssh(f"runuser -l {user} -c {shlex.quote(command)} 2>&1", check=check).stdout


def test_a_project_in_python_computes_and_its_kernel_is_seen(workbench: Workbench) -> None:
    try:
        said = as_user(workbench, "grace", f"{IDENTITY} workbench-project birds")
        assert said.splitlines()[-1] == "/home/grace/birds is there."
        listed = as_user(workbench, "grace", "cd birds && git ls-files && git status --porcelain").split()
        assert {"uv.lock", "pyproject.toml", "README.md", ".gitignore"} <= set(listed)
        assert "1 passed" in as_user(workbench, "grace", "cd birds && .venv/bin/python -m pytest -q")
        as_user(workbench, "grace", f"cd birds/report && {EXECUTE} report.ipynb /tmp/birds-out.ipynb")
        assert "image/png" in as_user(workbench, "grace", "cat /tmp/birds-out.ipynb")
        with Visitor(workbench.url, workbench.ca) as visitor:
            visitor.login("grace", workbench.password("grace"))
            visitor.spawn()
            code = "import shutil, sys, pandas; print(sys.prefix, shutil.which('pip'))"
            told = visitor.run_code(code, kernel="project-birds")
            assert told.split() == ["/home/grace/birds/.venv", "/home/grace/birds/.venv/bin/pip"]
        assert "is there already" in as_user(workbench, "grace", "workbench-project birds", check=False)
    finally:
        as_user(
            workbench,
            "grace",
            "rm -rf birds /tmp/birds-out.ipynb .local/share/jupyter/kernels/project-birds",
            check=False,
        )


@pytest.mark.long
def test_without_a_network_what_could_not_be_had_is_said_and_the_rest_stands(workbench: Workbench) -> None:
    nowhere = (
        f"{IDENTITY} UV_CACHE_DIR=/tmp/no-cache UV_DEFAULT_INDEX=http://127.0.0.1:9/simple UV_HTTP_TIMEOUT=2"
    )
    try:
        said = as_user(workbench, "grace", f"{nowhere} workbench-project far", check=False)
        assert "with the version of each package could not be made: " in said
        assert "The rest stands" in said
        assert as_user(workbench, "grace", "cd far && git log --format=%s") == "Begin far\n"
    finally:
        as_user(workbench, "grace", "rm -rf far /tmp/no-cache")


def test_a_project_in_r_has_a_lock_of_what_the_host_has_and_its_report_runs(workbench: Workbench) -> None:
    try:
        said = as_user(workbench, "grace", f"{IDENTITY} workbench-project counts --language r")
        assert said.splitlines()[-1] == "/home/grace/counts is there."
        assert "all are counted" in as_user(workbench, "grace", "cd counts && Rscript tests/test_analysis.R")
        lock = as_user(workbench, "grace", "cat counts/renv.lock")
        assert '"knitr"' in lock
        assert '"rmarkdown"' in lock
        report = (
            "cd counts && Rscript -e 'rmarkdown::render(\"report/report.Rmd\", quiet = TRUE)' && ls report"
        )
        assert "report.html" in as_user(workbench, "grace", report)
        assert "No issues found" in as_user(workbench, "grace", "cd counts && Rscript -e 'renv::status()'")
    finally:
        as_user(workbench, "grace", "rm -rf counts")


@pytest.mark.long
def test_a_group_works_in_one_project(workbench: Workbench) -> None:
    folder = "/srv/workbench/shared/everybody"
    try:
        said = as_user(
            workbench, "grace", f"{IDENTITY} workbench-project ours --language r --in ~/shared/everybody"
        )
        assert said.splitlines()[-1].endswith(f"trust-folder {folder}/ours")
        refused = as_user(workbench, "ada", f"cd {folder}/ours && git log", check=False)
        assert f"trust-folder {folder}" in refused, "who has not said so runs nothing of the others'"
        both = f"trust-folder {folder}/ours && cd {folder}/ours && echo more >> README.md && git add README.md && "
        both += f"{IDENTITY} git commit --quiet --message more"
        as_user(workbench, "ada", both)
        assert as_user(workbench, "grace", f"cd {folder}/ours && git log --format=%s") == "more\nBegin ours\n"
        assert "all are counted" in as_user(
            workbench, "ada", f"cd {folder}/ours && Rscript tests/test_analysis.R"
        )
        foreign = f"find -L {folder}/ours -path '*/renv/library' -prune -o -not -group workbench-users -print"
        assert workbench.ssh(foreign).stdout == ""
    finally:
        workbench.ssh(f"rm -rf {folder}/ours")
        for user in ("ada", "grace"):
            forget = "rm -f ~/.config/workbench/trusted; git config --global --unset-all safe.directory"
            as_user(workbench, user, forget, check=False)


def test_git_by_ssh_works_from_a_terminal_and_a_notebook_with_the_key_that_ssh_keygen_makes(
    workbench: Workbench,
) -> None:
    """The host's own sshd stands in for a forge; RStudio is not here, whose sessions have the same HOME."""
    prepare = """
    mkdir -p ~/.ssh && chmod 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
    cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys
    ssh-keyscan -t ed25519 127.0.0.1 > ~/.ssh/known_hosts
    git init -q -b main forge && cd forge && echo x > x && git add x
    """
    clone = "git clone -q grace@127.0.0.1:forge"
    try:
        as_user(workbench, "grace", f"{prepare} {IDENTITY} git commit -q -m first")
        assert as_user(workbench, "grace", f"{clone} by-terminal && cat by-terminal/x") == "x\n"
        with Visitor(workbench.url, workbench.ca) as visitor:
            visitor.login("grace", workbench.password("grace"))
            visitor.spawn()
            code = f"import subprocess; print(subprocess.run('{clone} by-kernel', shell=True, capture_output=True))"
            assert "returncode=0" in visitor.run_code(code)
            shown = visitor.type_in_terminal(f"cd; {clone} by-lab && cat by-lab/x; echo d$((1+1))", "d2")
            assert "x\nd2" in shown.replace("\r", "")
        known = as_user(workbench, "grace", "ssh-keygen -F github.com -f /etc/ssh/ssh_known_hosts2 -l")
        assert "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" in known
        assert "ssh_known_hosts2" in as_user(workbench, "grace", "ssh -G github.com | grep globalknown")
    finally:
        as_user(workbench, "grace", "rm -rf ~/.ssh forge by-terminal by-kernel by-lab", check=False)
