"""A deploy that has one thing to change, near and 80 ms away: by `workbench deploy`, and by stock pyinfra.

Beside a run that changes nothing, something is written, and what is still to be read is read anew. A run that changes
nothing is measured along, which the others are compared with.
"""

from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML

from bench.delay import far
from bench.results import keep, rounded, show, timed
from bench.workbench import CHANGES, Measured
from cli.local import hash_of
from tests.workbench_in_lab import PASSWORDS, merged
from workbench import stackfile

Setting = tuple[str, Any]


def user(run: int) -> Setting:
    """One more person; nothing restarts."""
    return "users", [{"name": f"more{run}", "passwordHash": hash_of(PASSWORDS["ada"])}]


def notice(run: int) -> Setting:
    """Another notice; a program shows it to everybody, nothing restarts."""
    return "services", {"proxy": {"notice": f"Number {run}"}}


def message(run: int) -> Setting:
    """Another message of the hub; nothing restarts."""
    return "services", {"jupyterhub": {"message": f"Number {run}"}}


def measure(bench: Measured) -> None:
    """Each change by each way, once: the runs have numbers, so that each has something to change, and only that."""
    path = stackfile.path_of(bench.stack)
    before = path.read_text()
    settings = YAML(typ="safe").load(before)["config"]
    runs = iter(range(1, 1000))

    def apply(change: Callable[[int], Setting], deploy: Callable[[], bool]) -> None:
        key, value = change(next(runs))
        old = settings[f"workbench:{key}"]
        settings[f"workbench:{key}"] = [*old, *value] if isinstance(value, list) else merged(old, value)
        stackfile.set_value(path, key, settings[f"workbench:{key}"])
        if not deploy():
            raise RuntimeError(f"A run that should change {key} changed nothing.")

    kept: dict[str, object] = {}
    bench.deploy()
    try:
        with far(bench.outputs.address, 22) as port:
            away = {"WORKBENCH_BENCH_PORT": str(port)}
            wheres: dict[str, dict[str, str]] = {"near_s": {}, "far_s": away}
            ways: dict[str, Callable[[], bool]] = {
                "near_s": lambda: bool(CHANGES.search(bench.deploy())),
                "far_s": lambda: bool(CHANGES.search(bench.deploy(**away))),
                "stock_near_s": lambda: bool(bench.stock_deploy().changed),
                "stock_far_s": lambda: bool(bench.stock_deploy(**away).changed),
            }
            noop = {name: timed(lambda: bench.deploy(**where)) for name, where in wheres.items()}  # noqa: B023
            kept["noop"] = rounded(noop)
            for change in (notice, user, message):
                measured = {name: timed(lambda: apply(change, deploy)) for name, deploy in ways.items()}  # noqa: B023
                show(str(change.__doc__).split(";")[0], measured, measured["near_s"], "near")
                kept[change.__name__] = rounded(measured)
                keep("change", kept)
    finally:
        path.write_text(before)
        bench.deploy()
