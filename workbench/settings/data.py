"""Access to data in S3: which buckets, or parts of them, the members of which groups may read or write.

What the entries come to in AWS's words is in workbench/grants.py; a changed list of groups is the host's affair alone.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from workbench import grants
from workbench.checks import group_name
from workbench.faults import Fault
from workbench.grants import Grant
from workbench.settings.section import Section, twice

if TYPE_CHECKING:
    from workbench.settings import Settings

# Source: AWS, Amazon S3 User Guide, "General purpose bucket naming rules".
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_NO_BEGINNINGS = ("xn--", "sthree-", "amzn-s3-demo-")
_NO_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# What S3 calls safe in keys; `*`, `?` and `$` would mean something in a policy.
# Source: AWS, Amazon S3 User Guide, "Naming Amazon S3 objects", and IAM User Guide, "Variables and tags".
_PREFIX = re.compile(r"[A-Za-z0-9!_.'()=+@:, -][A-Za-z0-9!_.'()=+@:, /-]*")


def bucket_name(value: str) -> str:
    """The name of an S3 bucket."""
    if value.startswith(("s3:", "arn:")):
        raise ValueError("is an address; takes the bucket's name alone, such as acme-measurements")
    if not _BUCKET.fullmatch(value) or _ADDRESS.fullmatch(value):
        raise ValueError(
            "is no name of a bucket; takes 3 to 63 of a-z, 0-9, - and ., a letter or digit first and last, such as "
            "acme-measurements"
        )
    if value.startswith(_NO_BEGINNINGS) or value.endswith(_NO_ENDS):
        raise ValueError(
            "begins or ends as no bucket may that you can make; takes one such as acme-measurements"
        )
    return value


def key_prefix(value: str) -> str:
    """How the keys of the objects begin; empty for all of the bucket."""
    if value.startswith("/"):
        raise ValueError("begins with a slash, as no key does that people write; takes one such as raw/2026/")
    if value and not (_PREFIX.fullmatch(value) and len(value) <= grants.LONGEST_PREFIX):
        raise ValueError(
            f"is no beginning of keys that is taken; takes at most {grants.LONGEST_PREFIX} letters, digits and "
            "!_.'()=+@:, -/ (in a policy *, ? and $ would mean something else), such as raw/2026/"
        )
    return value


class S3(Section):
    """A bucket, or what is below a prefix in it, for the members of some groups."""

    bucket: Annotated[str, AfterValidator(bucket_name)] = Field(
        description="name of a bucket that exists in this AWS account, in whatever region"
    )
    prefix: Annotated[str, AfterValidator(key_prefix)] = Field(
        "", description="how the keys of the objects begin, such as raw/2026/; unset, all of the bucket"
    )
    write: bool = Field(False, description="whether they may also write and delete objects there")
    groups: Annotated[list[Annotated[str, AfterValidator(group_name)]], Field(min_length=1)] = Field(
        description="groups of users whose members may do so, and nobody else"
    )

    def faults(self) -> Iterator[Fault]:
        """No group twice; and what looks like a folder and is not one."""
        yield from twice(("groups",), self.groups)
        if self.prefix and not self.prefix.endswith("/"):
            yield Fault(
                ("prefix",),
                f"is {self.prefix}, which does not end with a slash, so that {self.prefix}-private/ would be in it as "
                f"well; takes {self.prefix}/",
            )

    @property
    def grant(self) -> Grant:
        """What is granted, whoever the people are."""
        return Grant(self.bucket, self.prefix, self.write)


class Data(Section):
    """Data in AWS for the members of groups, with credentials of an hour that are asked for when they are needed."""

    s3: list[S3] = Field([], description="buckets: docs/data.md")

    @property
    def grants(self) -> list[Grant]:
        """What the role for data may do, in the order of the settings."""
        return [one.grant for one in self.s3]


def of_groups(entries: Sequence[S3], groups: Sequence[str]) -> list[Grant]:
    """What a member of these groups may do."""
    return [one.grant for one in entries if not set(groups).isdisjoint(one.groups)]


def broken(settings: "Settings") -> Iterator[Fault]:
    """What is wrong between the entries, and between them and the users."""
    entries = settings.services.data.s3
    places = [(one.bucket, one.prefix, one.write) for one in entries]
    for index, place in enumerate(places):
        if place in places[:index]:
            yield Fault(
                ("services", "data", "s3", index),
                f"is the same place as services.data.s3[{places.index(place)}]; put the groups of both into one",
            )
    yield from _groups(settings)
    if entries and len(grants.policy([one.grant for one in entries])) > grants.ROLE_CHARACTERS:
        yield Fault(
            ("services", "data", "s3"),
            f"is too long for the policy of a role, for which AWS takes {grants.ROLE_CHARACTERS} characters; put what "
            "belongs together below one prefix",
        )
    for index, user in enumerate(settings.users):
        size = len(grants.policy(of_groups(entries, user.groups)))
        if not user.removed and size > grants.SESSION_CHARACTERS:
            yield Fault(
                ("users", index, "groups"),
                f"give {user.name} so many places of services.data.s3 that their policy has {size} characters, and AWS "
                f"takes {grants.SESSION_CHARACTERS} for a session; put what belongs together below one prefix, or into "
                "one bucket",
            )


def _groups(settings: "Settings") -> Iterator[Fault]:
    known = sorted({group for user in settings.people() for group in user.groups})
    for index, one in enumerate(settings.services.data.s3):
        for place, group in enumerate(one.groups):
            if group not in known:
                there = f"there are {', '.join(known)}" if known else "no user has any"
                yield Fault(
                    ("services", "data", "s3", index, "groups", place),
                    f"is {group}, which no user has among their groups ({there}); add it to those who are to get in",
                )
