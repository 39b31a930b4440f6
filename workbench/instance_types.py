"""The common EC2 instance types, so that a stack file is judged without asking AWS.

The table is `instance_types.json` beside this file; it says the day it was made. A type that is not in it may
still exist: `pulumi preview` asks the API (infra/machine_type.py).
"""

import difflib
import json
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Architecture = Literal["x86_64", "arm64"]


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


def similar(name: str) -> list[str]:
    """Up to three common types whose names are close to `name`, best first."""
    return difflib.get_close_matches(name, table().types, n=3, cutoff=0.5)
