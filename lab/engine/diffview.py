"""The properties of a step, as `pulumi preview --diff` shows them."""

import json
from collections.abc import Iterator
from typing import Any

from lab.engine import values
from lab.engine.answers import Diff
from lab.engine.ops import Op
from lab.engine.state import Resource


def detailed(op: Op, resource: Resource, old: Resource | None, diff: Diff | None) -> Iterator[str]:
    """The lines of one step. All properties where a resource comes or goes, else those that change."""
    root = not resource.parent
    margin = "  " if root else "    "
    name = "same" if op is Op.SAME else op.plan
    yield f"{margin}{'' if op is Op.SAME else op.sign}{resource.type}: ({name})"
    inner = margin + ("  " if root else "    ")
    identity = (old or resource).id
    if identity and not values.is_unknown(identity):
        yield f"{inner}[id={identity}]"
    yield f"{inner}[urn={resource.urn}]"
    if resource.provider:
        yield f"{inner}[provider={resource.provider}]"
    if op is not Op.SAME:
        yield from _properties(op, resource, old, diff, inner)


def _properties(
    op: Op, resource: Resource, old: Resource | None, diff: Diff | None, margin: str
) -> Iterator[str]:
    before = old.inputs if old else {}
    after = resource.inputs
    changed = (diff.keys if diff else {}) if old else {}
    # A replacement that its provider did not call for, but the replacement of another resource, shows everything.
    everything = op is not Op.UPDATE and not (op is Op.REPLACE and diff and diff.replaces)
    keys = [key for key in {**before, **after} if not key.startswith("__")] if everything else list(changed)
    width = max((len(key) for key in keys), default=0)
    for key in sorted(keys):
        sign = changed.get(key, " ")
        new = shown(after.get(key), len(margin))
        text = f"{shown(before.get(key), len(margin))} => {new}" if sign == "~" else new
        if key not in after:
            text = shown(before.get(key), len(margin))
        yield f"{margin[:-2]}{sign} {key:<{width}}: {text}"


def shown(value: Any, indent: int) -> str:
    """A value for people: strings quoted, objects over several lines, secrets and unknowns in brackets."""
    if values.is_secret(value):
        return "[secret]"
    if values.is_unknown(value):
        return "[unknown]"
    pad = " " * (indent + 4)
    if isinstance(value, dict) and value:
        width = max(len(key) for key in value)
        rows = [f"{pad}{key:<{width}}: {shown(value[key], indent + 4)}" for key in sorted(value)]
        return "\n".join(["{", *rows, " " * indent + "}"])
    if isinstance(value, list) and value:
        rows = [f"{pad}[{at}]: {shown(item, indent + 4)}" for at, item in enumerate(value)]
        return "\n".join(["[", *rows, " " * indent + "]"])
    return json.dumps(value, ensure_ascii=False)
