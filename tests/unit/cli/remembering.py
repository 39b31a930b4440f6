"""A configuration that deploys nothing, for Pulumi's own dynamic provider, whose plugin imports this file."""

from typing import Any

from pulumi.dynamic import CreateResult, UpdateResult

from connector import configure
from infra.configuration import _Deploy


class Remembering(_Deploy):
    """A configuration's provider that deploys nothing, and remembers what the real one does, by the names it has."""

    def __init__(self, before: bool) -> None:
        self._before = before  # the name of before

    def _remembered(self, props: dict[str, Any]) -> dict[str, Any]:
        told = configure.remembered(props)
        if self._before:
            told["contextDigest"] = told.pop(configure.CONTEXT_DIGEST)
        return told

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["instanceId"], self._remembered(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._remembered(_news))
