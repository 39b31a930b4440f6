"""Property paths: `users[0].name`, `tags["a.b"]`, `ebs[*].size`.

Used by `config --path`, ignoreChanges and replaceOnChanges. Grammar: resource.ParsePropertyPath of the CLI.
"""

import itertools
import re
from typing import Any

from workbench.errors import WorkbenchError

Step = str | int
_TOKEN = re.compile(r'\.?([^.\[\]"]+)|\.?\[(\d+)\]|\.?\[\*\]|\.?\["((?:[^"\\]|\\.)*)"\]')


def parse(path: str) -> list[Step]:
    """The steps of a path; "*" is any key or index. Raises WorkbenchError for what is no path."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        found = _TOKEN.match(path, at)
        if found is None or (at == 0 and path.startswith(".")):
            raise WorkbenchError(
                f'{path!r} is no property path: write keys as a.b, list indexes as a[0], odd names as a["b.c"]'
            )
        name, index, quoted = found.groups()
        if name is not None:
            steps.append(name)
        elif index is not None:
            steps.append(int(index))
        else:
            steps.append("*" if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
    return steps


def reset(path: list[Step], old: Any, new: Any) -> None:
    """Set what `path` names in `new` back to what it is in `old` (absent there: absent here). In place."""
    if not path or not _same_shape(old, new):
        return
    step, rest = path[0], path[1:]
    if step == "*":
        keys = list(range(min(len(old), len(new)))) if isinstance(new, list) else [*{**old, **new}]
        for key in keys:
            reset([key, *rest], old, new)
    elif isinstance(new, list):
        _reset_item(step, rest, old, new)
    elif rest:
        if step in old and step in new:
            reset(rest, old[step], new[step])
    elif step in old:
        new[step] = old[step]
    else:
        new.pop(step, None)


def _same_shape(old: Any, new: Any) -> bool:
    return (isinstance(old, dict) and isinstance(new, dict)) or (
        isinstance(old, list) and isinstance(new, list)
    )


def _reset_item(step: Step, rest: list[Step], old: list[Any], new: list[Any]) -> None:
    if not isinstance(step, int) or step >= len(old) or step >= len(new):
        return
    if rest:
        reset(rest, old[step], new[step])
    else:
        new[step] = old[step]


def covers(pattern: list[Step], path: list[Step]) -> bool:
    """Whether `pattern` names `path` or something that holds it."""
    return len(pattern) <= len(path) and all(
        want in ("*", have) for want, have in zip(pattern, path, strict=False)
    )


def get(value: Any, path: list[Step]) -> Any:
    """What stands at `path`; raises KeyError where nothing does."""
    for step in path:
        if not isinstance(value, dict | list):
            raise KeyError(step)
        try:
            value = value[step]  # type: ignore[index]  # a name in a list is the TypeError below
        except (IndexError, TypeError) as error:
            raise KeyError(step) from error
    return value


def put(root: Any, path: list[Step], value: Any) -> None:
    """Set `path` in `root` (in place), making the objects and lists on the way."""
    for step, following in itertools.pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            _extend(root, step, path, empty)
        elif not isinstance(root, dict):
            raise _no_room(path, step)
        elif not isinstance(root.get(step), dict | list):
            root[step] = empty
        root = root[step]
    last = path[-1]
    if isinstance(last, int):
        _extend(root, last, path, value)
    elif not isinstance(root, dict):
        raise _no_room(path, last)
    root[last] = value


def _extend(root: Any, index: int, path: list[Step], empty: Any) -> None:
    if not isinstance(root, list) or index > len(root):
        raise _no_room(path, index)
    if index == len(root):
        root.append(empty)


def _no_room(path: list[Step], step: Step) -> WorkbenchError:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return WorkbenchError(
        f"cannot set {name}: there is no place for {step!r} in what the stack file holds there"
    )


def remove(root: Any, path: list[Step]) -> bool:
    """Take what stands at `path` out of `root` (in place); False where nothing does."""
    try:
        parent = get(root, path[:-1])
        del parent[path[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
