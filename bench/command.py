"""`python -m bench.command deploy`: what `workbench deploy` does, on the host as bench/inventory.py reaches it."""

from workbench import configure
from workbench.cli.main import run

if __name__ == "__main__":
    configure.INVENTORY = "bench/inventory.py"
    run()
