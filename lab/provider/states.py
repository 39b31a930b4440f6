"""From what the cloud says to what the engine keeps: outputs, and the inputs that would give them."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi.runtime.rpc import UNKNOWN

from lab.provider.diffing import same_objects
from lab.provider.schema import Prop, ResourceType, within, without_none
from lab.provider.values import Inputs, State, is_empty


def read_back(kind: ResourceType, live: State, hints: Inputs) -> State:
    """The outputs: what was read, spelled as in `hints` where that means the same, and what only the state knows."""
    outputs: State = without_none(live)
    for name, prop in kind.props.items():
        if name not in hints:
            continue
        plain = prop.kind not in ("object", "objects")
        if prop.kept or (plain and name in outputs and prop.same(outputs[name], hints[name])):
            outputs[name] = hints[name]
    return outputs


def planned(kind: ResourceType, inputs: State) -> State:
    """The outputs of a resource that is still to be made: its inputs, and unknown what the cloud will say."""
    outputs = dict.fromkeys(kind.told, UNKNOWN) | _planned(kind.props, inputs)
    return _with_all_tags(kind, outputs)


def _planned(props: Mapping[str, Prop], inputs: Inputs) -> State:
    outputs = dict(inputs)
    for name, prop in props.items():
        if prop.fields and name in inputs:
            outputs[name] = within(prop, inputs[name], _planned)
        elif prop.computed:
            outputs.setdefault(name, UNKNOWN)
    return outputs


def revised(kind: ResourceType, olds: Inputs, news: Inputs) -> State:
    """The outputs of a resource that is still to be updated: what the program says over what there was."""
    outputs = {name: value for name, value in olds.items() if name in news or _stays(kind.props.get(name))}
    for name, value in news.items():
        prop = kind.props.get(name)
        old = olds.get(name)
        merges = prop is not None and prop.fields and isinstance(old, Mapping) and isinstance(value, Mapping)
        outputs[name] = {**old, **value} if merges and old else value
    return _with_all_tags(kind, outputs)


def _stays(prop: Prop | None) -> bool:
    """True for what is still there when the program no longer gives it: outputs, and what the cloud chooses."""
    return prop is None or prop.computed


def _with_all_tags(kind: ResourceType, outputs: State) -> State:
    return {**outputs, "tagsAll": outputs.get("tags", {})} if "tags" in kind.props else outputs


def all_inputs(kind: ResourceType, outputs: Inputs) -> State:
    """Every input that has a value: what a program would say to have the resource as it is (for import)."""
    return _all_inputs(kind.props, outputs)


def _all_inputs(props: Mapping[str, Prop], outputs: Inputs) -> State:
    inputs: State = {}
    for name, prop in props.items():
        value = within(prop, outputs.get(name), _all_inputs)
        if not is_empty(value):
            inputs[name] = value
    return inputs


def same_inputs(kind: ResourceType, outputs: Inputs, inputs: Inputs) -> State:
    """The inputs that the program gave, with the values that they have now (for refresh)."""
    return _same_inputs(kind.props, outputs, inputs)


def _same_inputs(props: Mapping[str, Prop], outputs: Inputs, inputs: Inputs) -> State:
    result: State = {}
    for name, given in inputs.items():
        prop, now = props.get(name), outputs.get(name)
        if prop is None or now is None:
            continue
        if prop.fields and isinstance(now, Mapping) and isinstance(given, Mapping):
            result[name] = _same_inputs(prop.fields, now, given)
        elif prop.kind == "objects":
            result[name] = given if same_objects(prop, now, given) else now
        else:
            result[name] = given if prop.same(now, given) else now
    return result
