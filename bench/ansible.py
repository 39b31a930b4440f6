"""Ansible's equal of a deploy that changes nothing: a playbook that checks as much on the same host.

What there is to check is taken from what our connector remembers that the deploy asks.
"""

import json
import os
import re
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import environment
from bench.workbench import Measured
from connector import memory
from connector.session import Question
from workbench import keys
from workbench import stack as stacks
from workbench.host import program_path
from workbench.outputs import ADMIN
from workbench.stack import ROOT

PLAYBOOK = ROOT / "bench" / "playbooks" / "noop.yml"


def asked(bench: Measured) -> list[Question]:
    """What the deploy's facts asked of the host."""
    return memory.load(stacks.facts_memory(bench.stack))


def lists(questions: list[Question], folder: Path) -> dict[str, Any]:
    """The playbook's variables; the files' own contents are fetched into `folder` later."""
    files, units, programs, packages, accounts = [], [], [], [], ["root"]
    for asked in [part.arguments for question in questions for part in question.parts]:
        if "path" in asked:
            files.append(asked["path"])
        elif "unit" in asked:
            units.append(asked["unit"])
        elif "line" in asked:
            name, _, arguments = asked["line"].partition(" ")
            programs.append(f"{program_path(name)} {arguments}")
        elif "packages" in asked:
            packages += asked["packages"]
    for question in questions:
        if found := re.match(r"getent passwd (\S+)", question.command):
            accounts.append(found[1])
    return {
        "files": [{"src": f"{folder}/{path.lstrip('/')}", "dest": path} for path in files],
        "units": units,
        "programs": programs,
        "packages": packages,
        "accounts": accounts,
    }


def fetch(bench: Measured, variables: dict[str, Any], folder: Path) -> None:
    """The files as they are on the host, with the mode and owners of each."""
    names = shlex.join(item["dest"] for item in variables["files"])
    command = [*stacks.ssh_command(bench.outputs), f"sudo tar -cPhf - {names}"]
    archive = folder / "files.tar"
    archive.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
        for item in variables["files"]:
            member = members[item["dest"]]
            path = Path(item["src"])
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None
            path.write_bytes(content.read())
            item |= {"mode": f"{member.mode:04o}", "owner": member.uname, "group": member.gname}


@contextmanager
def playbook(bench: Measured) -> Iterator[tuple[int, Callable[[], None]]]:
    """How much the playbook checks, and a function that runs it once and fails where it changed anything."""
    program = environment.program("ansible-playbook")
    facts = bench.outputs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = lists(asked(bench), folder)
        fetch(bench, variables, folder)
        (folder / "variables.json").write_text(json.dumps(variables))
        options = {
            "ansible_host": facts.address,
            "ansible_user": ADMIN,
            "ansible_ssh_private_key_file": str(keys.named() or ""),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": shlex.join(stacks.ssh_command(facts)[1:-1]),
        }
        inventory = {"all": {"hosts": {"bench": {key: value for key, value in options.items() if value}}}}
        (folder / "inventory.json").write_text(json.dumps(inventory))

        def play() -> None:
            done = subprocess.run(
                [program, "-i", folder / "inventory.json", "-e", f"@{folder}/variables.json", PLAYBOOK],
                env={**os.environ, "ANSIBLE_PIPELINING": "True", "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                check=False,
            )
            changes = [line for line in done.stdout.splitlines() if line.startswith("changed:")]
            if done.returncode != 0 or "changed=0" not in done.stdout:
                raise RuntimeError(
                    f"The playbook was to change nothing:\n{changes or done.stdout[-3000:]}{done.stderr}"
                )

        yield 1 + sum(len(variables[part]) for part in ("files", "units", "programs", "accounts")), play
