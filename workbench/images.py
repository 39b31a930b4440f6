"""Images of the workbench: what tells them in AWS, which of them a new server starts from, and what goes into one.

An image is an AMI of this account that carries the stack's tags, the Debian release, and the digests of what is on it
(workbench/packages.py). Looking is left to who asks, as with workbench/leftovers.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from workbench import packages, servers
from workbench.faults import NAMESPACE
from workbench.instance_types import Architecture
from workbench.settings import Settings
from workbench.team import Lock
from workbench.versions import DEBIAN_RELEASE

IMAGE = "image"  # the tag Role of an image and of its snapshot
BUILDER = servers.BUILDER
RELEASE, DIGEST, PART = (
    "DebianRelease",
    "PackagesDigest",
    "Packages:",
)  # tags of an image; the last one begins many
AVAILABLE = "available"
KEPT = 2  # of a stack; older ones go
_BUILDERS = "@builder"
SCRATCH_GIB = 1  # of the builder's own blank volume, which goes with it

# What of the settings goes into an image, beside the services' and the mirrors. All else stays out, be it a secret or
# not: an image is for whatever the stack is when a server starts from it.
_KEPT = frozenset(
    {"size", "zone", "root_volume_gib", "ssh_from", "ssh_from_anywhere", "admin_ssh_keys", "environments"}
)
_OF_SERVICES = frozenset(
    "enabled version versions sha256 port timezone locale journal_mib named_servers idle_minutes packages "
    "build_tools".split()
)


@dataclass(frozen=True)
class Image:
    """One as AWS describes it: root disk in GiB, `snapshot` that has its content ("" where that is gone)."""

    id: str
    name: str
    state: str
    architecture: str
    root_gib: int
    snapshot: str
    made: datetime
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> packages.Parts:
        """What is on it, by service."""
        return {key.removeprefix(PART): value for key, value in self.tags.items() if key.startswith(PART)}

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


@dataclass(frozen=True)
class Wanted:
    """What a new server needs of an image: root disk in GiB, what is to be on it, days that it may be old."""

    architecture: Architecture
    root_gib: int
    parts: packages.Parts
    days: int

    @classmethod
    def by(cls, settings: Settings, architecture: Architecture, locks: Sequence[Lock]) -> "Wanted":
        parts = packages.parts(settings, locks)
        return cls(architecture, settings.root_volume_gib, parts, settings.images.days)


def builder_of(stack: str) -> str:
    """What the builder's deploy is noted under: no stack can be called so."""
    return f"{stack}{_BUILDERS}"


def stack_of(noted: str) -> str:
    """The stack that a deploy is for, be it of its server or of its builder."""
    return noted.removesuffix(_BUILDERS)


def tags(parts: Mapping[str, str]) -> dict[str, str]:
    """Those that say what is on an image; 50 are what AWS allows, whose limits are 128 and 256 characters."""
    told = {f"{PART}{name}": digest for name, digest in parts.items()}
    return {RELEASE: DEBIAN_RELEASE, DIGEST: packages.whole(parts), **told}


def unfit(image: Image, wanted: Wanted, now: datetime) -> str:
    """Why no new server can, or should, start from an image; "" where it fits."""
    release = image.tags.get(RELEASE)
    if image.tags.get("Project") != "workbench" or image.tags.get("Role") != IMAGE or release is None:
        return "is no workbench's image"
    if image.state != AVAILABLE:
        return f"is {image.state}"
    if image.architecture != wanted.architecture:
        return f"is {image.architecture}, and the server is to be {wanted.architecture}"
    if release != DEBIAN_RELEASE:
        return f"is Debian {release}, and the server is to be Debian {DEBIAN_RELEASE}"
    if image.root_gib > wanted.root_gib:
        return f"needs a root disk of {image.root_gib} GiB, and workbench:rootVolumeGib is {wanted.root_gib}"
    if not image.snapshot:
        return "has lost its snapshot"
    if now - image.made > timedelta(days=wanted.days):
        return f"is {(now - image.made).days} days old, and workbench:images.days is {wanted.days}"
    return ""


def chosen(found: Iterable[Image], wanted: Wanted, now: datetime | None = None) -> Image | None:
    """The one that has most of what is wanted, of these the newest; None where none fits."""
    at = now or datetime.now(UTC)
    fitting = [image for image in found if not unfit(image, wanted, at)]
    return max(fitting, key=lambda image: (nearness(image, wanted), image.made), default=None)


def nearness(image: Image, wanted: Wanted) -> int:
    """How many services find on it just what they ask for."""
    return len(image.parts.items() & wanted.parts.items())


def has_all(image: Image, wanted: Wanted) -> bool:
    """Whether nothing of what is wanted has to be installed; what else is on it does not count."""
    return nearness(image, wanted) == len(wanted.parts)


def reasons(found: Sequence[Image], wanted: Wanted, now: datetime | None = None) -> str:
    """Why none of these fits, in a sentence's end."""
    at = now or datetime.now(UTC)
    return "; ".join(f"{image} {unfit(image, wanted, at)}" for image in found)


def config_of(settings: Settings) -> dict[str, object]:
    """The config, as Pulumi has it, that a builder is configured by: what chooses its packages, and how to get in."""
    kept: dict[str, Any] = settings.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, include={*_KEPT, "mirrors"}
    )
    services = settings.services.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        include={name: set(_OF_SERVICES) for name in type(settings.services).model_fields},
    )
    told = {**kept, "dataVolumeGib": SCRATCH_GIB, "services": services}
    return {f"{NAMESPACE}:{key}": value for key, value in told.items()}
