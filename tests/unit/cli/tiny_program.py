"""Resources of Pulumi's own dynamic provider, whose plugin imports this file; it must not need what tests need."""

import time
from typing import Any

from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class _Provider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        if props["fault"]:
            raise ValueError(props["fault"])
        time.sleep(props["seconds"])
        return CreateResult("1", props)


class Thing(Resource):
    """Takes some seconds to make, or fails."""

    def __init__(self, name: str, seconds: float = 0, fault: str = "") -> None:
        super().__init__(_Provider(), name, {"seconds": seconds, "fault": fault})
