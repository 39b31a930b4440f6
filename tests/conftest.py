"""What every kind of test shares."""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests import life_in_lab, workbench_in_lab
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks

pytest_plugins = ["tests.lanes"]

# As an activated .venv has it: the Pulumi CLI is there.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# gRPC would start its threads again in each process that gevent forks, where they complain of what is closed by then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

# A key made for these tests; nobody holds its private half.
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK test"


@pytest.fixture
def config() -> dict[str, Any]:
    """The smallest stack config that is fine."""
    return {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [PUBLIC_KEY],
    }


@pytest.fixture(scope="session")
def workbench() -> Iterator[Workbench]:
    """A workbench made by `workbench up` in the lab; shared by all tests that only look, or put things back."""
    _require_lab()
    stack = workbench_in_lab.STACK
    stacks.forget(stack)  # what a killed run left
    with workbench_in_lab.lab(workbench_in_lab.HOME) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            workbench_in_lab.write_stack_file(stack, environment)
            workbench_in_lab.run(["pulumi", "stack", "init", stack])
            bench = Workbench()
            bench.command("up", "--yes")
            yield bench
        finally:
            stacks.forget(stack)


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[life_in_lab.Lab]:
    """A second lab, whose account is empty and whose stacks have no configured host; may live beside the first."""
    _require_lab()
    with life_in_lab.running() as lab:
        yield lab


def _require_lab() -> None:
    if reason := workbench_in_lab.unable():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def host(workbench: Workbench) -> Any:
    """The host as pytest-testinfra sees it, as root, over the same SSH as everybody."""
    facts = workbench.outputs
    options = shlex.join(stacks.ssh_command(facts)[1:-1])
    return testinfra.get_host(f"ssh://admin@{facts.address}", ssh_extra_args=options, sudo=True)
