"""What every rule is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.calls import Call


@dataclass
class Refusal(Exception):  # noqa: N818 - it is no fault
    """AWS would not do this: the code is AWS's, the message AWS's or, where the lab differs, the lab's."""

    code: str
    message: str
    status: int = 400

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Facts:
    """What a rule may look at."""

    call: Call
    ec2: Any
    """moto's EC2 backend."""
    mounted: Callable[[str, str], bool]
    """Whether the instance (first) has the volume (second) mounted."""
    architectures: frozenset[str]
    """EC2's names of the architectures that this machine can boot."""
    now: datetime
    """The lab's time, UTC without a zone."""
    without_capacity: frozenset[str] = frozenset()
    """Types for which AWS has no room at present; a stand-in, which tests fill in."""

    def instance(self, instance_id: str) -> Any | None:
        """The instance, or None: moto has the right error for unknown ids."""
        found = (instance for instance in self.ec2.all_instances() if instance.id == instance_id)
        return next(found, None)

    def instances(self) -> list[Any]:
        """Those that are not terminated."""
        return [instance for instance in self.ec2.all_instances() if instance.state != "terminated"]


Rule = Callable[[Facts], None]
