"""`python -m connector ARGUMENTS`: what `pyinfra ARGUMENTS` does, sooner.

pyinfra imports paramiko, which imports invoke for one line that few have in ~/.ssh/config, and which pyinfra judges by
itself (`Match exec`, pyinfra.connectors.sshuserclient): a fifth of the time until anything happens.
"""

import gc
import importlib
import os
import signal
import sys
from typing import Any

from connector import process


def import_pyinfra() -> Any:
    """pyinfra's command."""
    sys.modules["invoke"] = None  # type: ignore[assignment]  # as if it were not there, which paramiko allows for
    try:
        return importlib.import_module("pyinfra_cli.main").main
    finally:
        del sys.modules["invoke"]


def main() -> None:
    """Imports pyinfra, waits for an order where one is to come, and lets pyinfra work."""
    waits = process.ORDER in os.environ
    if waits:
        # As long as there is no order, there is nothing to interrupt.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = import_pyinfra()
    if waits:
        process.obey()
    gc.freeze()  # what is imported stays: nobody need look for what of it could be freed
    try:
        command()
    finally:
        gc.freeze()  # and at the end for nothing at all: that took a fifth of a second


if __name__ == "__main__":
    main()
