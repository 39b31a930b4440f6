"""JMESPath (https://jmespath.org), in which the tables say where in an API's answer a value is, and what a call gets.

Beside its own functions there are dns(name) and bare(id), for how Route 53 writes names and ids, and tags(list), which
makes a map of them, without those of AWS itself.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import jmespath
from jmespath import functions

from lab.provider.values import dns_name


class _Functions(functions.Functions):  # type: ignore[misc] # jmespath has no types
    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_dns(self, name: str | None) -> str | None:
        return None if name is None else dns_name(name)

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_bare(self, path: str | None) -> str | None:
        return None if path is None else path.rpartition("/")[2]

    @functions.signature({"types": ["array", "null"]})  # type: ignore[untyped-decorator]
    def _func_tags(self, tags: list[dict[str, str]] | None) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_compiled = functools.cache(jmespath.compile)


def search(expression: str, data: Any) -> Any:
    """What the expression finds, None where there is nothing; times are written as the providers write them."""
    return _written(_compiled(expression).search(data, _OPTIONS))


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value
