"""The data volume's filesystem stands still on the server while AWS begins a snapshot of it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cli import remote
from workbench import stack as stacks
from workbench.host import program_path
from workbench.outputs import Outputs

SECONDS = 20  # at most; AWS answers within a few
_ENDS_WITHIN = 90  # seconds


@dataclass
class Freeze:
    """Why the snapshot is as after a power cut, a sentence; "" where nothing wrote meanwhile. Known once it is over."""

    why: str = ""


@contextmanager
def frozen(facts: Outputs) -> Iterator[Freeze]:
    """In here the filesystem stands still, if the server can be had to do so; what it was like is known afterwards.

    The server's own program ends it (host/workbench_host/freeze.py), whatever becomes of this one.
    """
    freeze = Freeze()
    process = subprocess.Popen(
        [*stacks.ssh_command(facts), f"sudo {program_path('freeze')} {SECONDS}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    remote.await_words(process)
    first = process.stdout.readline()
    try:
        yield freeze
    finally:
        try:
            out, err = process.communicate("\n", timeout=_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
    _judge(freeze, first, out, err, facts)


def _judge(freeze: Freeze, first: str, out: str, err: str, facts: Outputs) -> None:
    began = _told(first)
    if began.get("frozen") is False:  # nothing can write to it
        return
    if not began.get("frozen"):
        said = err.strip().splitlines()
        freeze.why = f"{facts.address} did not freeze its filesystem ({said[-1] if said else 'no answer'})."
    elif not _told(out).get("asked"):
        freeze.why = f"AWS did not answer within {SECONDS} s, after which the filesystem went on by itself."


def _told(line: str) -> dict[str, object]:
    try:
        told: dict[str, object] = json.loads(line)
    except ValueError:
        return {}
    return told
