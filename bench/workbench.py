"""The workbench that is measured: made in a lab of its own by the ordinary command."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.results import timed
from connector import configure
from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Applied, Workbench, run
from workbench import stack as stacks
from workbench.stack import ROOT

# All there are, but RStudio, whose package cannot be downloaded everywhere.
SERVICES = {"rstudio": {"enabled": False}, "docker": {"enabled": True}}
IDLE = re.compile(r": none of (\d+) operations changed anything")
CHANGES = re.compile(r": \d+ of \d+ operations changed anything")


@dataclass
class Measured(Workbench):
    """A workbench, and how long it took to make."""

    create_s: float = 0.0
    configure_s: float = 0.0

    def deploy(self, **environment: str) -> str:
        """`workbench deploy`, reached as bench/inventory.py is told by the environment; gives back what it said."""
        return self._run([sys.executable, "-m", "bench.command", "deploy", "--stack", STACK], environment)

    def idle_deploy(self, **environment: str) -> str:
        """The same, and it must change nothing: a run that had something to do measures something else."""
        said = self.deploy(**environment)
        if not IDLE.search(said) or CHANGES.search(said):
            raise RuntimeError(f"A run that should change nothing said:\n{said}")
        return said

    def stock_deploy(self, **environment: str) -> Applied:
        """The same deploy by pyinfra's own command and connector."""
        stock = {"WORKBENCH_BENCH_CONNECTOR": "ssh", **environment}
        command = [sys.executable, "-m", "pyinfra", "-y", "bench/inventory.py", "deploy/main.py"]
        return Applied(0, self._run(command, stock))

    def stock_idle_deploy(self, **environment: str) -> None:
        """The same, and it must change nothing."""
        changed = self.stock_deploy(**environment).changed
        if changed:
            raise RuntimeError(f"A run that should change nothing changed {changed}.")

    def seconds_of_services(self) -> dict[str, float]:
        """What the last deploy spent on each service."""
        noted = json.loads((stacks.state_folder(STACK) / configure.TIMING).read_text())
        return {name: float(seconds) for name, seconds in noted["services"].items()}

    def _run(self, command: list[str], environment: Mapping[str, str]) -> str:
        surroundings = {**os.environ, **environment}
        done = subprocess.run(
            command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"A deploy failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout + done.stderr


@contextmanager
def made() -> Iterator[Measured]:
    """The workbench, purged afterwards."""
    with workbench_in_lab.lab(workbench_in_lab.HOME) as environment:
        os.environ.update(environment)
        try:
            workbench_in_lab.write_stack_file(STACK, environment, services=SERVICES)
            run(["pulumi", "stack", "init", STACK])
            bench, began = Measured(), time.time()
            bench.create_s = timed(lambda: bench.command("up", "--yes"))
            bench.configure_s = configure.seconds_of_last_run(STACK, began) or 0.0
            yield bench
        finally:
            stacks.forget(STACK)
