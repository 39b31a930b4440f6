"""Check: are these inputs ones that AWS would take, and what do they become with a name.

Failures carry the name of the input and one sentence; nothing is asked of the cloud.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lab.provider.schema import Prop, ResourceType, within
from lab.provider.values import Inputs, State, has_unknown, is_unknown


@dataclass(frozen=True)
class Failure:
    """What is wrong with one input."""

    property: str
    reason: str


def check(
    kind: ResourceType, name: str, olds: Inputs, news: Inputs, seed: bytes
) -> tuple[State, list[Failure]]:
    """The inputs in their proper types, with generated name, and all that is wrong with them.

    A name that was generated before (it is in `olds`) stays.
    """
    inputs = _typed(kind.props, news)
    if kind.named and kind.named not in inputs:
        inputs[kind.named] = olds.get(kind.named) or _generated(name, seed)
    found = _failures(kind.props, inputs, "")
    return inputs, [Failure(f.property, f"{kind.short} {name!r}: {f.reason}") for f in found]


def _generated(name: str, seed: bytes) -> str:
    """`name-1a2b3c4`, the same for the same seed; never beginning with "sg-", which EC2 keeps for its ids."""
    random = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(4)
    stem = "group" if name == "sg" or name.startswith("sg-") else name
    return f"{stem}-{random[:7]}"


# ---- types, as loosely as the real provider takes them


def _typed(props: Mapping[str, Prop], given: Inputs) -> State:
    return {key: _coerced(props[key], value) if key in props else value for key, value in given.items()}


def _coerced(prop: Prop, value: Any) -> Any:
    if prop.kind in ("object", "objects"):
        return within(prop, value, _typed)
    if isinstance(value, Mapping):
        return {k: _text(v) for k, v in value.items()}
    if isinstance(value, str) and prop.kind == "number" and value.lstrip("-").isdigit():
        return int(value)
    if prop.kind == "flag":
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    return _text(value) if prop.kind == "text" else value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# ---- what is wrong


def _failures(props: Mapping[str, Prop], inputs: Inputs, where: str) -> Iterator[Failure]:
    known = ", ".join(sorted(props))
    for key in sorted(inputs.keys() - props.keys()):
        said = f"{where + key} is no input of it that the lab knows; it knows {known}"
        yield Failure(where + key, said)
    for key, prop in props.items():
        if key not in inputs:
            if prop.required:
                yield Failure(where + key, f"{where + key} is missing")
        elif not is_unknown(inputs[key]):
            yield from _value_failures(prop, inputs[key], where + key)


_SHAPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "text"),
    "number": (int, "a whole number"),
    "flag": (bool, "true or false"),
    "list": (list, "a list of texts"),
    "map": (dict, "a map of texts"),
    "object": (dict, "an object"),
    "objects": (list, "a list of objects"),
}


def _value_failures(prop: Prop, value: Any, where: str) -> Iterator[Failure]:
    shape, words = _SHAPES[prop.kind]
    if not isinstance(value, shape) or (prop.kind == "number" and isinstance(value, bool)):
        yield Failure(where, f"{where} must be {words}, got {_shown(prop, value)}")
    elif isinstance(value, dict) and prop.kind == "object":
        yield from _failures(prop.fields, value, where + ".")
    elif isinstance(value, list) and prop.kind == "objects":
        for index, item in enumerate(value):
            yield from _value_failures(replace(prop, kind="object"), item, f"{where}[{index}]")
    elif prop.choices and value not in prop.choices:
        yield Failure(where, f"{where} must be one of {', '.join(prop.choices)}, got {value!r}")
    elif not has_unknown(value):
        said = _inner_problem(prop, value) or (prop.check(value) if prop.check else None)
        if said:
            yield Failure(where, f"{where} {said}")


def _shown(prop: Prop, value: Any) -> str:
    """The wrong value, or only its kind where it might be long or secret."""
    return json.dumps(value)[:60] if prop.kind in ("number", "flag") else f"a {type(value).__name__}"


def _inner_problem(prop: Prop, value: Any) -> str | None:
    items = value if prop.kind == "list" else value.values() if prop.kind == "map" else ()
    if any(not isinstance(item, str) for item in items):
        return f"must be {_SHAPES[prop.kind][1]}"
    return None
