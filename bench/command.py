"""`python -m bench.command deploy`: what `workbench deploy` does, on the host as bench/inventory.py reaches it."""

import os

from connector import process
from workbench import ROOT


def through(port: str) -> None:
    """The agent that is started ahead goes through this port of 127.0.0.1, as bench/inventory.py has pyinfra go."""
    from workbench import stack
    from workbench.outputs import Outputs

    direct = stack.ssh_command

    def ssh_command(facts: Outputs) -> list[str]:
        *options, host = direct(facts)
        name = host.replace(facts.address, "127.0.0.1")
        return [*options, "-o", f"HostKeyAlias={facts.address}", "-p", port, name]

    stack.ssh_command = ssh_command


if __name__ == "__main__":
    process.prestart(ROOT)  # as the command's own entry point does
    from cli.main import run
    from connector import configure

    configure.INVENTORY = "bench/inventory.py"
    if int(os.environ.get("WORKBENCH_BENCH_HOSTS", "1")) > 1:
        configure.Deploy.reach = lambda *_: None  # type: ignore[method-assign]  # it is for one host
    if port := os.environ.get("WORKBENCH_BENCH_PORT"):
        through(port)
    run()
