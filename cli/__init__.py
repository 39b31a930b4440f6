"""The `workbench` command: what begins it, with little imported."""

import sys

from connector import process
from workbench import ROOT


def run() -> None:
    """Entry point. A deploy's pyinfra begins first: it takes as long to import as all that it has to wait for."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if command == "deploy" and "--help" not in sys.argv:
        process.prestart(ROOT)
    try:
        from cli import main

        main.run()
    finally:
        process.stop_prestarted()
