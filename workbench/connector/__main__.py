"""`python -m workbench.connector ARGUMENTS`: what `pyinfra ARGUMENTS` does, sooner.

pyinfra imports paramiko, which imports invoke for one line that few have in ~/.ssh/config, `Match exec`: a fifth of the
time until anything happens. A function does for that line. (In pyinfra's own process such a line never matches:
invoke and gevent do not get on.)
"""

import importlib
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


def run(command: str, **_: object) -> SimpleNamespace:
    """What paramiko asks of invoke: whether a command of ssh_config(5) is `ok`."""
    done = subprocess.run(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )  # noqa: S602
    return SimpleNamespace(ok=done.returncode == 0)


def import_pyinfra() -> Any:
    """pyinfra's command."""
    invoke = ModuleType("invoke")
    invoke.__dict__["run"] = run
    sys.modules[invoke.__name__] = invoke
    try:
        return importlib.import_module("pyinfra_cli.main").main
    finally:
        del sys.modules[invoke.__name__]


if __name__ == "__main__":
    import_pyinfra()()
