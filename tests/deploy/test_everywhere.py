"""R, Python and uv are the same ones wherever a person types: asked in each place, and compared.

RStudio is a stand-in here: its publisher's package is not reached. What is asked is the environment that our rsession
(workbench_host/rsession.py) gives to the session which it would start; in that a console and a terminal are imitated.
Of VS Code it is what its Remote-SSH does, by its documentation and its log: `bash` without a login and without a
terminal, which reads a script from its standard input and starts the server; from there terminals (interactive), and
a login shell that is asked for its environment. There is no cron on the host; timers of users are systemd's.
"""

import json
import shlex
import subprocess

import pytest

from lab.visitor import R, Visitor
from tests.workbench_in_lab import Workbench, run
from workbench import stack as stacks

pytestmark = pytest.mark.lab

ASK = (
    "for name in R uv; do readlink -f $(command -v $name); done; "
    "for name in python pip; do readlink -f $(dirname $(command -v $name)); done; "
    "python -c 'import os, sys; print(os.path.realpath(sys.prefix))'; python -V; R --version | head -n1; uv --version"
)
SYSTEM = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"  # systemd's own (systemd.exec(5))
# What a session of RStudio's would be started with; the move into the user's slice has tests of its own.
SESSION = (
    "import sys; sys.path.insert(0, '/usr/local/lib/workbench/host'); from workbench_host import rsession; "
    "rsession.enter_slice = lambda: None; rsession.RSESSION = '/usr/bin/bash'; sys.exit(rsession.main(sys.argv[1:]))"
)
# As systemd starts rstudio-server, and that its sessions.
RSERVER = f"env -i HOME=/home/grace USER=grace SHELL=/bin/bash {SYSTEM}"


def over_ssh(workbench: Workbench, command: list[str], given: str = "") -> str:
    ssh = [*stacks.ssh_command(workbench.outputs)[:-1], f"grace@{workbench.outputs.address}", *command]
    return subprocess.run(ssh, input=given, capture_output=True, text=True, check=True, timeout=60).stdout


def in_notebooks(workbench: Workbench) -> dict[str, str]:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        command = f"sh -c {shlex.quote(ASK)}"
        python = f"import subprocess; print(subprocess.check_output({command!r}, shell=True, text=True))"
        r = f"cat(system({json.dumps(command)}, intern = TRUE), sep = '\\n')"
        said = visitor.type_in_terminal(f"({ASK}) > ~/asked 2>&1; echo through-$((6*7))", until="through-42")
        assert "through-42" in said
        return {
            "a Python notebook": visitor.run_code(python),
            "an R notebook": visitor.run_code(r, kernel=R),
            "a terminal of JupyterLab": visitor.read_file("asked").decode(),
        }


def test_python_r_and_uv_are_the_same_wherever_a_person_types(workbench: Workbench) -> None:
    session = f"runuser -u grace -- {RSERVER} python3 -c {shlex.quote(SESSION)}"
    unit = "runuser -u grace -- /etc/systemd/user-environment-generators/50-workbench-python"
    units = workbench.ssh(f"env -i {SYSTEM} {unit} | grep ^PATH=").stdout.strip()
    asked = shlex.quote(ASK)
    said = {
        "a login": workbench.ssh(f"runuser -l grace -c {asked}").stdout,
        "ssh HOST COMMAND": over_ssh(workbench, [ASK]),
        "ssh HOST sh -c": over_ssh(workbench, [f"sh -c {asked}"]),
        "VS Code's script": over_ssh(workbench, ["-T", "bash"], ASK),
        "VS Code's terminal": over_ssh(workbench, ["-T", "bash"], f"bash -ic {asked} 2> /dev/null"),
        "VS Code's environment": over_ssh(workbench, ["-T", "bash"], f"bash -ilc {asked} 2> /dev/null"),
        "a unit of the user's own": workbench.ssh(
            f"runuser -u grace -- env -i HOME=/home/grace {units} sh -c {asked}"
        ).stdout,
        "RStudio's console": workbench.ssh(f"{session} -c {asked}").stdout,
        "RStudio's terminal": workbench.ssh(f"{session} -lc {asked}").stdout,
        **in_notebooks(workbench),
    }
    right = said["a login"].split()
    assert right[0] == "/usr/bin/R"
    assert right[2].startswith("/opt/workbench/python-")
    assert len(right) > 8
    # By the folder that the link leads to: a kernel keeps the one that it was started with.
    others = {place: text for place, text in said.items() if text.split() != right}
    assert others == {}, right


@pytest.mark.parametrize("sent", ["de_DE.UTF-8", "C", "UTF-8"])
def test_whatever_locale_a_client_sends_r_python_and_perl_have_utf_8_and_complain_of_nothing(
    workbench: Workbench, sent: str
) -> None:
    command = stacks.ssh_command(workbench.outputs)
    ask = (
        """Rscript -e 'cat(l10n_info()[["UTF-8"]], nchar("\u00fc"), "")'; """
        """python -c 'import locale, sys; print(sys.stdout.encoding, locale.getencoding())'; perl -e 'print "perl"'"""
    )
    given = [f"{name}={sent}" for name in ("LC_ALL", "LANG", "LC_CTYPE")]
    done = run(
        [
            "env",
            *given,
            *command[:-1],
            "-o",
            "SendEnv=LC_ALL LANG LC_CTYPE",
            f"grace@{workbench.outputs.address}",
            ask,
        ]
    )
    assert done.stdout.split() == ["TRUE", "1", "utf-8", "UTF-8", "perl"]
    assert done.stderr == ""
