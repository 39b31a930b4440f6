"""JMESPath (https://jmespath.org): how the tables say where a value is in what is known, and what a call is given.

Functions beside its own: tags(list) makes a map of the API's tags, pairs(map) the reverse; without(old, new) are the
keys that are in one map and not in the other; dns(name) and bare(id) are how Route 53's names and ids are kept,
the latter ARNs as well; text(base64) is None for what is no text; crc32(text) is for the ids that the real provider
makes up.
"""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import jmespath
from jmespath import functions

from lab.provider.values import dns_name


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}


def _pairs(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def _without(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> list[str]:
    return [key for key in old or {} if key not in (new or {})]


def _text(encoded: str | None) -> str | None:
    try:
        return base64.b64decode(encoded or "").decode()
    except ValueError:
        return None


_OURS: dict[str, Callable[..., Any]] = {
    "tags": _tags,
    "pairs": _pairs,
    "without": _without,
    "text": _text,
    "dns": lambda name: None if name is None else dns_name(name),
    "bare": lambda path: None if path is None else path.rpartition("/")[2],
    "crc32": lambda text: str(zlib.crc32(text.encode())),
}


class _Functions(functions.Functions):  # type: ignore[misc] # jmespath has no types
    def call_function(self, name: str, arguments: list[Any]) -> Any:
        return _OURS[name](*arguments) if name in _OURS else super().call_function(name, arguments)


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_compiled = functools.cache(jmespath.compile)


def search(expression: str, data: Any) -> Any:
    """What the expression finds, None where there is nothing; times are written as the real provider writes them."""
    return _written(_compiled(expression).search(data, _OPTIONS))


def make(expression: str, data: Any) -> dict[str, Any]:
    """The object that an expression such as "{a: A, b: B}" makes; an empty one makes an empty object."""
    return dict(search(expression, data)) if expression else {}


def names(expression: str) -> tuple[str, ...]:
    """The keys of the object that such an expression makes."""
    return tuple(pair["value"] for pair in _compiled(expression).parsed["children"]) if expression else ()


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value
