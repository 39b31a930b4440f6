"""The workbench that is measured: made in a lab of its own by the ordinary command."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.results import timed
from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Applied, Workbench, run
from workbench import configure
from workbench.stack import ROOT


@dataclass
class Measured(Workbench):
    """A workbench, and how long it took to make."""

    create_s: float = 0.0
    configure_s: float = 0.0

    def deploy(self, **environment: str) -> Applied:
        """A run of plain pyinfra through bench/inventory.py, which the environment tells how; it has to succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "pyinfra", "-y", "bench/inventory.py", "deploy/main.py"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"A deploy failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return Applied(done.returncode, done.stdout + done.stderr)

    def idle_deploy(self, **environment: str) -> Applied:
        """The same, and it must change nothing: a run that had something to do measures something else."""
        applied = self.deploy(**environment)
        if applied.changed:
            raise RuntimeError(f"A run that should change nothing changed {applied.changed}.")
        return applied


@contextmanager
def made() -> Iterator[Measured]:
    """The workbench, purged afterwards."""
    with workbench_in_lab.lab():
        workbench_in_lab.write_stack_file()
        run(["pulumi", "stack", "init", STACK])
        bench, began = Measured(), time.time()
        bench.create_s = timed(lambda: bench.command("up", "--yes"))
        bench.configure_s = configure.seconds_of_last_run(STACK, began) or 0.0
        yield bench
