"""How long each verb of a workbench's life takes, and for how long nobody could work meanwhile."""

import subprocess
import time
from collections.abc import Callable

from bench import probe
from bench.probe import Seen
from bench.results import keep, median, rounded, show, timed
from bench.workbench import Measured
from lab.visitor import Visitor
from tests.workbench_in_lab import STACK, run
from workbench import stackfile


def measure(bench: Measured) -> None:
    """Each verb once, and what changes nothing several times."""
    measured = {"create_s": bench.create_s, "of_it_configure_s": bench.configure_s}
    measured["up_noop_s"] = median(lambda: bench.command("up", "--yes"))
    measured["pulumi_up_noop_s"] = median(lambda: run(["pulumi", "up", "--yes", "--stack", STACK]))
    measured["deploy_noop_s"] = median(bench.apply)
    seen = _watched(bench, "resize", lambda: bench.command("resize", "m6i.large", "--yes"), measured)
    measured["resize_own_s"] = _own_share(bench, seen)
    _watched(bench, "stop_start", lambda: _stop_and_start(bench), measured)
    _watched(bench, "rebuild", lambda: bench.command("rebuild", "--yes"), measured)
    seen = _watched(bench, "grow", lambda: _grow(bench), measured)
    measured["grow_in_vain"] = float(seen.in_vain)
    measured["destroy_s"] = timed(lambda: bench.command("destroy", "--yes"))
    measured |= _returned(bench, "bring_back", "m6i.xlarge")
    measured["bake_s"] = timed(lambda: bench.command("bake"))
    bench.command("destroy", "--yes")
    measured |= _returned(bench, "bring_back_from_image", "m6i.large")
    show("A workbench's life", measured, measured["create_s"], "create")
    keep("life", rounded(measured))


def _returned(bench: Measured, verb: str, size: str) -> dict[str, float]:
    """The seconds of an `up` of what was destroyed, and until somebody has logged in and computed."""
    began = time.monotonic()
    seconds = timed(lambda: bench.command("up", "--yes", "--size", size))
    with Visitor(bench.url, bench.ca) as visitor:
        visitor.login("ada", bench.password("ada"))
        visitor.spawn()
        visitor.run_code("5 * 4")
    return {f"{verb}_s": seconds, f"{verb}_to_compute_s": time.monotonic() - began}


def _stop_and_start(bench: Measured) -> None:
    bench.command("stop", "--yes")
    bench.command("start")


def _grow(bench: Measured) -> None:
    """The volume. Where the lab's containers may not grow what is in use, `up` says that its filesystem waits."""
    stackfile.set_value(stackfile.path_of(STACK), "dataVolumeGib", bench.settings_now.data_volume_gib + 1)
    bench.command("up", "--yes", check=False)


def _watched(bench: Measured, verb: str, work: Callable[[], object], measured: dict[str, float]) -> Seen:
    """Notes the seconds of a verb, how many gaps there were without the hub's page, and their seconds."""
    with probe.watching(bench.outputs.address) as seen:
        measured[f"{verb}_s"] = timed(work)
    gaps = seen.gaps()
    measured |= {f"{verb}_down_s": sum(gaps), f"{verb}_gaps": float(len(gaps))}
    return seen


def _own_share(bench: Measured, seen: Seen) -> float:
    """The seconds of the gaps in which the machine was on: its services ended, or had not begun.

    The rest is the time between the guest's power-off and its next start, which is AWS's: there it takes longer.
    """
    told = "{{.State.FinishedAt.UnixMilli}} {{.State.StartedAt.UnixMilli}}"
    (name,) = [
        one for one in _podman("ps", "--format={{.Names}}").split() if one.endswith(bench.outputs.instance_id)
    ]
    off, on = (int(milli) / 1000 for milli in _podman("inspect", f"--format={told}", name).split())
    to_wall = time.time() - time.monotonic()
    return sum(
        (end - since) - max(0.0, min(end + to_wall, on) - max(since + to_wall, off))
        for since, end in seen.spans()
    )


def _podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=True).stdout
