"""What a person waits for: the login, a server until JupyterLab's page is there, and the first kernel's answer."""

import statistics

from bench.results import keep, show, timed
from bench.workbench import Measured
from lab.visitor import Visitor

ROUNDS = 5
USER = "ada"


def measure(bench: Measured) -> None:
    """Each round on a server that starts anew; the first, which reads the disk, is not counted."""
    found: dict[str, list[float]] = {"login_s": [], "spawn_s": [], "kernel_s": []}
    for number in range(ROUNDS + 1):
        bench.ssh(f"systemctl stop jupyter-{USER}-singleuser jupyterhub", check=False)
        bench.ssh("systemctl start jupyterhub")  # which has not heard of that server's end otherwise
        with Visitor(bench.url, bench.ca) as visitor:
            took = {
                "login_s": timed(lambda: visitor.login(USER, bench.password(USER))),
                "spawn_s": timed(visitor.spawn),
                "kernel_s": timed(lambda: visitor.run_code("5 * 4")),
            }
            for name, seconds in took.items():
                found[name] += [seconds] if number else []
    measured = {name: statistics.median(each) for name, each in found.items()}
    show("A server", measured, measured["spawn_s"], "the spawn")
    keep("spawn", {name: round(seconds, 2) for name, seconds in measured.items()})
