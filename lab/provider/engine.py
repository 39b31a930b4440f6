"""Making, reading, changing and deleting a resource of any type, as its row says."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lab.provider import diffing
from lab.provider.cloud import Cloud, gone_is_fine, is_gone
from lab.provider.paths import make, search
from lab.provider.schema import Change, Path, Prop, ResourceType, do, each, inputs_of, within, without_none
from lab.provider.values import Inputs, State
from workbench.errors import WorkbenchError


def create(cloud: Cloud, kind: ResourceType, inputs: State) -> str:
    """Make it by one call and return its id at once; what has to follow is `finish`'s."""
    known = {**inputs, "unique": str(uuid.uuid4())}
    for answer in do(kind.before, cloud, known):
        known |= answer or {}
    tagged = make(kind.tags.create, inputs) if kind.tags else {}
    known["sent"] = {**inputs_of(kind.props, inputs), **without_none(tagged)}
    [made] = do(kind.create, cloud, known)
    return made if isinstance(made, str) else str(search(kind.id, inputs))


def finish(cloud: Cloud, kind: ResourceType, id_: str, inputs: State) -> None:
    """All that must follow: waiting, and settings that take a call of their own. Can be repeated, so that what a
    failure left half made is not lost.
    """
    if kind.ready:
        _wait_ready(cloud, kind, id_, inputs)
    late = {name for name, prop in kind.props.items() if prop.late}
    found = _describe(cloud, kind, id_, inputs) if kind.finish or late else None
    if found is None:
        return
    do(kind.finish, cloud, {**inputs, "id": id_, "found": found})
    live = _state(kind, found)
    missing = [change for change in diffing.changes(kind, live, inputs) if change.top in late]
    _apply(cloud, kind, missing, {**inputs, "id": id_, "olds": live, "found": found})


def read(cloud: Cloud, kind: ResourceType, id_: str, known: State) -> tuple[str, State] | None:
    """Its real id, and its inputs and outputs as they are; None when it is gone.

    `known` is its state, empty on import, when the id is in the form of the row's `imports`.
    """
    found = _describe(cloud, kind, id_, known or _told_by_id(kind, id_))
    if found is None:
        return None
    state = _state(kind, found)
    return str(search(kind.id, {**found, **state, "id": id_})), state


def update(
    cloud: Cloud, kind: ResourceType, id_: str, olds: State, news: State, changes: list[Change]
) -> None:
    """Make the changes in place."""
    found = _describe(cloud, kind, id_, olds)
    if found is None:
        raise WorkbenchError(f"{id_} is not there any more")
    _apply(cloud, kind, changes, {**news, "id": id_, "olds": olds, "found": found})


def delete(cloud: Cloud, kind: ResourceType, id_: str, state: State) -> None:
    """Delete it and wait until it is gone; content when it is gone already."""
    found = _describe(cloud, kind, id_, state)
    if found is None:
        return
    known = {**state, "id": id_, "found": found}
    for act in each(kind.delete):
        with gone_is_fine():
            cloud.once_free(functools.partial(act, cloud, known))
    if kind.ready:
        cloud.wait(f"{id_} to be deleted", lambda: _describe(cloud, kind, id_, state) is None, kind.seconds)


def _apply(cloud: Cloud, kind: ResourceType, changes: list[Change], known: State) -> None:
    for names, acts in kind.settings.items():
        if any(_within(change.path, names) for change in changes):
            do(acts, cloud, known)
    if kind.tags and any(change.top == "tags" for change in changes):
        do(kind.tags.change, cloud, known)


def _within(path: Path, names: str) -> bool:
    """Whether the path is one of the names, or goes into it."""
    wanted = [tuple(name.split(".")) for name in names.split()]
    return any(path[: len(one)] == one for one in wanted)


def _describe(cloud: Cloud, kind: ResourceType, id_: str, known: Inputs) -> State | None:
    """What the API says of it, in the API's words; None when it is gone."""
    found: State = {}
    try:
        for act in each(kind.read):
            answer = act(cloud, {**known, "id": id_, "found": found})
            if not found and not answer:
                return None
            found.update(answer or {})
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return {**found, "known": known, "ec2": cloud.ec2_arns}


def _wait_ready(cloud: Cloud, kind: ResourceType, id_: str, inputs: State) -> None:
    def ready() -> bool:
        found = _describe(cloud, kind, id_, inputs)
        if found is None or found.get("State") == "error":
            why = (found or {}).get("StateMessage") or ("it is gone" if found is None else "no reason given")
            raise WorkbenchError(f"{id_} failed: {why}")
        return bool(search(kind.ready, found))

    cloud.wait(f"{id_} to be ready", ready, kind.seconds)


def _state(kind: ResourceType, found: State) -> State:
    state = {**_read(kind.props, found), **make(kind.outputs, found)}
    return {**state, "tagsAll": state["tags"]} if "tags" in kind.props else state


def _read(props: Mapping[str, Prop], found: Any) -> State:
    state: State = {}
    for name, prop in props.items():
        if not prop.kept:
            value = search(prop.read or prop.api, found)
            state[name] = within(prop, value, _read)
    return state


def _told_by_id(kind: ResourceType, id_: str) -> State:
    """What an id in the form of `imports` says. Raises WorkbenchError where it is in another."""
    if not kind.imports:
        return {}
    first, *rest = re.split(r"\{(\w+)\}", kind.imports)[1:]
    # no first part has in it what follows it, and names of records may
    pattern = f"(?P<{first}>.+?)" + "".join(
        f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(rest)
    )
    match = re.fullmatch(pattern, id_)
    if match is None:
        form = kind.imports.replace("{", "").replace("}", "").upper()
        raise WorkbenchError(f"to import it give {form}, not {id_!r}")
    return dict(match.groupdict())
