"""What has to change: the state against what the program wants.

The comparison is the one of Terraform's planner, which pulumi_aws builds on: against the state (not the old
inputs), so that drift that a refresh has found is put right; an input that is left out is a change only where the
cloud would not have chosen a value itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lab.provider.schema import Change, How, Path, Prop, ResourceType
from lab.provider.values import Inputs, State, is_empty, is_unknown

_SEGMENT = re.compile(r'\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\[(?P<index>[^\]"]+)\]|(?P<plain>[^.\[\]]+)')


def parse_path(path: str) -> Path:
    """`tags["a.b"]`, `rootBlockDevice.volumeSize`, `tags.*` -> the names on the way; a final `*` says nothing more."""
    names = tuple(
        (
            match["quoted"].replace('\\"', '"')
            if match["quoted"] is not None
            else match["index"] or match["plain"]
        )
        for match in _SEGMENT.finditer(path)
    )
    return names[:-1] if names and names[-1] == "*" else names


def write_path(path: Path) -> str:
    """The inverse of `parse_path`, in the form that the engine prints."""
    first, *rest = path
    return first + "".join(
        f".{name}" if re.fullmatch(r"[A-Za-z_][\w$]*", name) else '["' + name.replace('"', '\\"') + '"]'
        for name in rest
    )


def with_ignored(news: State, olds: Inputs, ignored: Iterable[str]) -> State:
    """`news` with what the program told the engine to leave alone as it is in `olds`."""
    result = dict(news)
    for path in ignored:
        _keep(result, olds, parse_path(path))
    return result


def _keep(news: State, olds: Inputs, path: Path) -> None:
    if not path:
        return
    name, rest = path[0], path[1:]
    inner = olds.get(name)
    if rest and isinstance(inner, Mapping) and isinstance(news.get(name, {}), Mapping):
        news[name] = dict(news.get(name, {}))
        _keep(news[name], inner, rest)
    elif name in olds:
        news[name] = inner
    else:
        news.pop(name, None)


def changes(kind: ResourceType, olds: Inputs, news: Inputs) -> list[Change]:
    """Every input that differs, in the order of the type's table, and whether it replaces."""
    found = []
    for name, prop in kind.props.items():
        for change in _differences((name,), prop, olds.get(name), news.get(name)):
            replaces = change.replaces or _innermost(kind.props, change.path).replaces
            found.append(replace(change, replaces=replaces))
    return found


def _innermost(props: Mapping[str, Prop], path: Path) -> Prop:
    prop = props[path[0]]
    if len(path) > 1 and path[1] in prop.fields:
        return _innermost(prop.fields, path[1:])
    return prop


def _differences(path: Path, prop: Prop, have: Any, want: Any) -> Iterator[Change]:
    if prop.kind == "map" and not is_unknown(want):
        yield from _map_differences(path, have or {}, want or {})
    elif want is None or is_unknown(want):
        how = _how(prop, have, want)
        if how:
            yield Change(path, how)
    elif prop.kind == "object" and not is_empty(have):
        for name, inner in prop.fields.items():
            yield from _differences((*path, name), inner, have.get(name), want.get(name))
    elif is_empty(have) and is_empty(want):
        return
    elif is_empty(have) and not isinstance(have, bool | int):
        yield Change(path, "ADD")
    elif prop.kind == "objects":
        yield from _object_differences(path, prop, have, want)
    elif not prop.same(have, want):
        yield Change(path, "UPDATE")


def _object_differences(path: Path, prop: Prop, have: Any, want: Any) -> Iterator[Change]:
    """One for all objects; it replaces where that would for one that is still there."""
    if same_objects(prop, have, want):
        return
    pairs = zip(have, want, strict=False)
    inner = [change for pair in pairs for change in _differences(path, replace(prop, kind="object"), *pair)]
    yield Change(
        path, "UPDATE", any(_innermost(prop.fields, change.path[len(path) :]).replaces for change in inner)
    )


def same_objects(prop: Prop, have: Any, want: Any) -> bool:
    """Whether each object that is wanted is there, and no other; in which order, does not matter."""
    left = list(have)
    for wanted in want:
        whole = replace(prop, kind="object")
        fitting = [one for one in left if not list(_differences(("x",), whole, one, wanted))]
        if not fitting:
            return False
        left.remove(fitting[0])
    return not left


def _how(prop: Prop, have: Any, want: Any) -> How | None:
    if want is not None:
        return "ADD" if is_empty(have) else "UPDATE"
    return None if prop.computed or is_empty(have) else "DELETE"


def _map_differences(path: Path, have: Mapping[str, Any], want: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*have, *want}):
        if key not in want:
            yield Change((*path, key), "DELETE")
        elif key not in have:
            yield Change((*path, key), "ADD")
        elif have[key] != want[key]:
            yield Change((*path, key), "UPDATE")
