"""What every kind of test shares."""

from collections.abc import Iterator
from typing import Any

import pytest
import testinfra

from tests import workbench_in_lab
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks

pytest_plugins = ["tests.lanes"]

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
    reason = workbench_in_lab.unable()
    if reason:
        pytest.skip(reason)
    with workbench_in_lab.lab():
        workbench_in_lab.write_stack_file()
        workbench_in_lab.run(["pulumi", "stack", "init", workbench_in_lab.STACK])
        bench = Workbench()
        bench.command("up", "--yes")
        yield bench


@pytest.fixture(scope="session")
def host(workbench: Workbench) -> Any:
    """The host as pytest-testinfra sees it, as root, over the same SSH as everybody."""
    facts = workbench.context.outputs
    options = " ".join(stacks.ssh_command(facts)[1:-1])
    return testinfra.get_host(f"ssh://admin@{facts.address}", ssh_extra_args=options, sudo=True)
