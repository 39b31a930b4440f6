"""Property values in the form in which they cross the wire: plain JSON values, a secret being an object
with a signature, an unknown value a sentinel string (source: pulumi/runtime/rpc.py of the SDK; the
constants are repeated here so that reading a stack's config does not import the SDK, a test compares them).
"""

from collections.abc import Callable, Iterable
from typing import Any

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker in the protocol
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One sentinel a type (string, bool, number, array, asset, object), as a provider may answer with any.
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    }
)

Props = dict[str, Any]


def secret(value: Any) -> Any:
    """`value` marked as a secret; a secret stays as it is."""
    if is_secret(value):
        return value
    return {SIGNATURE_KEY: SECRET_SIGNATURE, "value": value}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def is_unknown(value: Any) -> bool:
    return isinstance(value, str) and value in UNKNOWNS


def contains(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether `test` holds for the value or for anything inside it."""
    if test(value):
        return True
    if isinstance(value, dict):
        return any(contains(item, test) for item in value.values())
    if isinstance(value, list):
        return any(contains(item, test) for item in value)
    return False


def map_secrets(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every outermost secret in it replaced by `change(secret)`."""
    if is_secret(value):
        return change(value)
    if isinstance(value, dict):
        return {key: map_secrets(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_secrets(item, change) for item in value]
    return value


def plain(value: Any) -> Any:
    """The value without its marks of secrecy, at every depth."""
    return map_secrets(value, lambda marked: plain(marked["value"]))


def annotate_secrets(outputs: Props, inputs: Props) -> Props:
    """Outputs in which whatever is secret in the input of the same name is secret too.

    Providers that do not take secrets give the values back in the clear; the real engine marks them so.
    """
    return {key: _annotated(value, inputs[key]) if key in inputs else value for key, value in outputs.items()}


def _annotated(output: Any, source: Any) -> Any:
    if is_secret(output):
        return output
    if is_secret(source):
        return secret(output)
    if isinstance(output, dict) and isinstance(source, dict):
        return annotate_secrets(output, source)
    if isinstance(output, list) and isinstance(source, list):
        # An element has no name: where a list holds a secret its order may have changed, so all of it is.
        return secret(output) if contains(source, is_secret) else output
    return output


def mark_secret(props: Props, keys: Iterable[str]) -> Props:
    """Props in which the values of `keys` are secrets."""
    wanted = set(keys)
    return {key: secret(value) if key in wanted else value for key, value in props.items()}


def changed_keys(old: Props, new: Props) -> dict[str, str]:
    """What differs between two sets of properties: key -> "+", "-" or "~", in the order of `new`.

    Properties whose name starts with "__" are the provider's own and no difference (as in the real engine),
    and whether a value is marked secret makes none either.
    """
    changes = {}
    for key in [*new, *(key for key in old if key not in new)]:
        if key.startswith("__"):
            continue
        if key not in old:
            changes[key] = "+"
        elif key not in new:
            changes[key] = "-"
        elif plain(old[key]) != plain(new[key]):
            changes[key] = "~"
    return changes


def without_integral_floats(value: Any) -> Any:
    """Numbers as JSON writes them: the wire knows only doubles, and 50.0 is 50 in a file."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: without_integral_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_integral_floats(item) for item in value]
    return value
