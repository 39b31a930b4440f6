"""The common EC2 instance types, so that a stack file is judged without asking AWS.

The table is `instance_types.json` beside this file; it says the day it was made. A type that is not in it may
still exist: `pulumi preview` asks the API (infra/machine_type.py).
"""

import difflib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Architecture = Literal["x86_64", "arm64"]


# Families from before Nitro, of which there will be no more: their volumes are no NVMe devices, and are not found by
# their id (workbench/outputs.py). Source: AWS, "Amazon EC2 instance types by hypervisor".
_XEN = frozenset(
    "t1 t2 m1 m2 m3 m4 c1 c3 c4 cc1 cc2 cg1 cr1 r3 r4 i2 i3 d2 h1 hi1 hs1 g2 g3 g3s p2 p3 x1 x1e f1".split()
)
# Families with a GPU or another accelerator: g4dn, gr6, p5en, p6-b200, inf2, trn1n, dl2q, f2, vt1.
_ACCELERATED = re.compile(r"(g|gr|p|inf|trn|dl|f|vt)\d.*")


class InstanceType(BaseModel):
    """What one type offers: memory in MiB, price in USD an hour (us-east-1, on demand; None when unknown)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vcpus: int
    memory_mib: int
    architecture: Architecture
    usd_per_hour: float | None = None


class Table(BaseModel):
    """The file as a whole: the day it was made, what its prices are, and the types by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made: str
    prices: str
    types: dict[str, InstanceType]


@cache
def table() -> Table:
    """The table of the common types."""
    return Table.model_validate(json.loads(Path(__file__).with_suffix(".json").read_text()))


def find(name: str) -> InstanceType | None:
    """What is known of a type, or None when it is not one of the common ones."""
    return table().types.get(name)


def is_xen(name: str) -> bool:
    """Whether the type runs on Xen, where volumes are no NVMe devices."""
    family, _, size = name.partition(".")
    return family in _XEN and size != "metal"


def is_accelerated(name: str) -> bool:
    """Whether the type has a GPU or the like, which nothing here drives."""
    return _ACCELERATED.fullmatch(name.partition(".")[0]) is not None


def similar(name: str) -> list[str]:
    """Up to three common types whose names are close to `name`, best first."""
    return difflib.get_close_matches(name, table().types, n=3, cutoff=0.5)


def architecture_of(supported: Sequence[str]) -> Architecture:
    """The one of ours among what an instance type supports."""
    return "arm64" if "arm64" in supported else "x86_64"
