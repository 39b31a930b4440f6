"""What the host's own programs tell, asked over SSH."""

import json
import subprocess
from typing import Any

from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs


def report_of(facts: Outputs, program: str, timeout: float, about: str) -> dict[str, Any]:
    """The JSON that the command line `program` prints on the server, as root, within `timeout` seconds.

    Raises WorkbenchError, which says what the question was `about`, where there is no answer.
    """
    command = [*stacks.ssh_command(facts), f"sudo {program}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"{facts.address} did not tell {about} within {timeout} s.") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise WorkbenchError(
            f"{facts.address} could not be asked for {about}: {said[-1] if said else 'no answer'}"
        )
    report: dict[str, Any] = json.loads(done.stdout)
    return report
