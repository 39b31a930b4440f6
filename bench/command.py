"""`python -m bench.command deploy`: what `workbench deploy` does, on the host as bench/inventory.py reaches it."""

from workbench import ROOT
from workbench.connector import process

if __name__ == "__main__":
    process.begin_ahead(ROOT)  # as the command's own entry point does
    from workbench import configure
    from workbench.cli.main import run

    configure.INVENTORY = "bench/inventory.py"
    run()
