"""Values as they travel between the engine and this provider, and when two of them mean the same.

A value here is plain Python (str, int, float, bool, list, dict), as `google.protobuf.Struct` carries it;
what is not known yet during a preview is one of the engine's sentinel strings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.rpc import UNKNOWN

State = dict[str, Any]
Inputs = Mapping[str, Any]
Same = Callable[[Any, Any], bool]

# The engine writes an unknown by the type it will have (sdk/go/common/resource/plugin/rpc.go); the SDK only
# ever needs the first of them.
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


def is_unknown(value: Any) -> bool:
    """True for a value that a preview does not know yet."""
    return isinstance(value, str) and value in UNKNOWNS


def has_unknown(value: Any) -> bool:
    """True when the value, or anything in it, is not known yet."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return is_unknown(value)


def is_empty(value: Any) -> bool:
    """True for what AWS's provider treats as not given: nothing, "", 0, False, [] and {}."""
    return value is None or value in ("", 0, [], {})


def decode(struct: struct_pb2.Struct) -> State:
    """The message as a dict: whole numbers become int again, and keys without a value are left out."""
    plain: State = _tidy(json_format.MessageToDict(struct))
    return plain


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def encode(state: Inputs) -> struct_pb2.Struct:
    """The dict as a message."""
    struct = struct_pb2.Struct()
    struct.update(_tidy(dict(state)))
    return struct


# ---- when two spellings mean the same


def same_value(one: Any, other: Any) -> bool:
    """Equal, and no bool taken for a number."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def same_number(one: str, other: str) -> bool:
    """Equal as numbers: AWS writes 50.0 for 50."""
    return float(one) == float(other)


def same_members(one: Any, other: Any) -> bool:
    """Equal as sets: the API returns such lists in an order of its own."""
    return sorted(map(str, one)) == sorted(map(str, other))


def same_dns_name(one: str, other: str) -> bool:
    """Equal as DNS names: no difference in case nor in a final dot."""
    return dns_name(one) == dns_name(other)


def dns_name(name: str) -> str:
    r"""A name as we keep it: lower case, no final dot, and a wildcard as `*`, which Route 53 writes `\052`."""
    return name.lower().rstrip(".").replace("\\052", "*")


def same_policy(one: str, other: str) -> bool:
    """Equal as IAM policy documents: order of keys, and a list of one against its only item, do not matter."""
    try:
        return bool(_policy(json.loads(one)) == _policy(json.loads(other)))
    except ValueError:
        return one == other


def _policy(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _policy(item) for key, item in node.items()}
    if isinstance(node, list):
        items = [_policy(item) for item in node]
        return (
            items[0] if len(items) == 1 else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
        )
    return node
