"""What providers say, in our terms."""

import re
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2

from lab.engine import values
from lab.engine.values import Props


@dataclass(frozen=True)
class Made:
    """A resource as a provider left it. `reasons`: why it is not (yet) as it should be."""

    id: str
    outputs: Props
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What Read found; `inputs` None where the provider does not say, `id` empty where nothing is there."""

    id: str
    outputs: Props
    inputs: Props | None


@dataclass(frozen=True)
class Diff:
    """A provider's verdict on a change. `keys`: property -> "+", "-" or "~"; `replaces`: those that force a new one.

    `changes` None means that the provider does not know.
    """

    changes: bool | None
    keys: dict[str, str] = field(default_factory=dict)
    replaces: list[str] = field(default_factory=list)
    delete_before_replace: bool = False
    paths: dict[str, bool] = field(default_factory=dict)  # detailed: path -> whether it forces a new one

    @property
    def must_replace(self) -> bool:
        return bool(self.replaces)


def to_struct(props: Props) -> struct_pb2.Struct:
    return json_format.ParseDict(props, struct_pb2.Struct())


def from_struct(struct: struct_pb2.Struct) -> Props:
    props: Props = values.without_integral_floats(json_format.MessageToDict(struct))
    return props


def checked(answer: Any) -> tuple[Props, list[tuple[str, str]]]:
    return from_struct(answer.inputs), [(item.property, item.reason) for item in answer.failures]


def diff_of(answer: Any) -> Diff:
    kinds = provider_pb2.PropertyDiff
    detailed = dict(answer.detailedDiff)
    signs = {kinds.ADD: "+", kinds.ADD_REPLACE: "+", kinds.DELETE: "-", kinds.DELETE_REPLACE: "-"}
    forcing = (kinds.ADD_REPLACE, kinds.DELETE_REPLACE, kinds.UPDATE_REPLACE)
    keys = dict.fromkeys(answer.diffs, "~")
    for path, diff in detailed.items():
        key = re.split(r"[.\[]", path, maxsplit=1)[0]
        keys[key] = signs.get(diff.kind, "~") if path == key else "~"
    known = {provider_pb2.DiffResponse.DIFF_NONE: False, provider_pb2.DiffResponse.DIFF_SOME: True}
    return Diff(
        changes=known.get(answer.changes),
        keys=keys,
        replaces=list(answer.replaces),
        delete_before_replace=answer.deleteBeforeReplace,
        paths={path: diff.kind in forcing for path, diff in detailed.items()},
    )
