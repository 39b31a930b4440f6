"""What the functions that ask the cloud have in common: filters, and having exactly one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.provider.cloud import Cloud
from lab.provider.values import State
from workbench.errors import WorkbenchError

Invoke = Callable[[Cloud, State], State]

NONE_FOUND = "Your query returned no results. Please change your search criteria and try again."
TOO_MANY = (
    "Your query returned more than one result. Please try a more specific search criteria, "
    "or set `most_recent` attribute to true."
)


def filters(arguments: State, tags: str) -> list[dict[str, Any]]:
    """The API's filters: those given, and one for each tag under the argument `tags`."""
    listed = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters", [])]
    wanted = arguments.get(tags) or {}
    return listed + [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]


def only(found: list[dict[str, Any]], newest: Callable[[dict[str, Any]], Any] | None) -> dict[str, Any]:
    """The only one; with `newest` (a sort key) the last by it."""
    if not found:
        raise WorkbenchError(NONE_FOUND)
    if len(found) > 1 and newest is None:
        raise WorkbenchError(TOO_MANY)
    return max(found, key=newest) if newest else found[0]
