"""Who may do what, as the deploy wrote it down, and sessions of the role for data, of an hour at most.

A session's policy is that of the user's groups, and its name the user's, which CloudTrail shows. A session is kept for
exactly that policy and that name: once somebody's groups have changed, nobody is given what was asked for before.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench_host import aws

VERSION = "2011-06-15"  # of the STS API
SECONDS = 3600  # the longest that AWS gives to who has a role already ("role chaining")
# botocore asks again a quarter of an hour before the end, and each time anew if it gets the same.
LEFT_SECONDS = 20 * 60
AGAIN_SECONDS = 10.0  # after AWS could not be asked
NAME_LENGTH = 64
ASK_SECONDS = 5.0


class RefusedError(Exception):
    """No credentials: the sentence says why. `status` is that of the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Entitled:
    """What a user may do: the places as the deploy describes them, and the policy that comes to."""

    name: str
    places: tuple[Mapping[str, Any], ...]
    policy: str


class Wanted:
    """The file of the deploy's; read again where it is another."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self.told: dict[str, Any] = {}

    def of(self, name: str) -> Entitled:
        """What the user may do. Raises RefusedError where that is nothing."""
        self._read()
        index = self.told.get("people", {}).get(name)
        if index is None:
            raise RefusedError(
                403,
                f"{name} is in no group that has data in S3 (services.data.s3). Ask an administrator; for a public "
                "bucket, ask without credentials.",
            )
        found = self.told["sets"][index]
        return Entitled(name, tuple(self.told["places"][place] for place in found["places"]), found["policy"])

    def _read(self) -> None:
        try:
            with open(self._path) as file:
                status = os.fstat(file.fileno())
                seen = (status.st_ino, status.st_mtime_ns)
                if seen != self._seen:
                    self.told, self._seen = json.load(file), seen
        except FileNotFoundError:
            self.told, self._seen = {}, None


@dataclass(frozen=True, repr=False)
class Session:
    """Credentials as SDKs take them from a container's endpoint, and when they end."""

    told: Mapping[str, str]
    ends: datetime


Ask = Callable[[Mapping[str, Any], Entitled], Session]


def assume(told: Mapping[str, Any], who: Entitled) -> Session:
    """A new session of the role. Raises AskError."""
    parameters = {
        "Action": "AssumeRole",
        "Version": VERSION,
        "RoleArn": told["role"],
        "RoleSessionName": f"{who.name}@{told['stack']}"[:NAME_LENGTH],
        "DurationSeconds": str(SECONDS),
        "Policy": who.policy,
    }
    place = aws.Place("sts", told["region"], told["endpoint"])
    root = aws.answered(aws.credentials(ASK_SECONDS), place, parameters, datetime.now(UTC), ASK_SECONDS)
    found = {
        name: root.findtext(f".//{{*}}Credentials/{{*}}{name}") or ""
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    }
    if not all(found.values()):
        raise aws.AskError("STS answers without credentials")
    try:
        ends = datetime.fromisoformat(found["Expiration"]).astimezone(UTC)
    except ValueError:
        raise aws.AskError("STS answers without a time at which its credentials end") from None
    keys = {name: found[name] for name in ("AccessKeyId", "SecretAccessKey")}
    return Session({**keys, "Token": found["SessionToken"], "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}, ends)


class Sessions:
    """Gives sessions; one call of STS at a time for each, however many ask."""

    def __init__(self, wanted: Wanted, ask: Ask = assume) -> None:
        self._wanted, self._ask = wanted, ask
        self._kept: dict[tuple[str, str], Session] = {}
        self._failed: dict[tuple[str, str], tuple[float, str]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Session]] = {}

    async def of(self, name: str) -> Mapping[str, str]:
        """The user's credentials. Raises RefusedError."""
        who = self._wanted.of(name)
        key = (who.name, who.policy)
        kept = self._kept.get(key)
        if kept is not None and _left(kept) > LEFT_SECONDS:
            return kept.told
        since, why = self._failed.get(key, (-AGAIN_SECONDS, ""))
        if time.monotonic() - since < AGAIN_SECONDS:
            raise _unavailable(why)
        task = self._asking.get(key) or asyncio.ensure_future(self._begin(who))
        self._asking[key] = task
        try:
            session = await asyncio.shield(task)
        except aws.AskError as error:
            raise _unavailable(str(error)) from None
        return session.told

    async def _begin(self, who: Entitled) -> Session:
        key = (who.name, who.policy)
        try:
            session = await asyncio.to_thread(self._ask, self._wanted.told, who)
        except aws.AskError as error:
            self._failed[key] = (time.monotonic(), str(error))
            print(f"No credentials for {who.name}: {error}.", flush=True)
            raise
        finally:
            self._asking.pop(key, None)
        self._kept = {one: kept for one, kept in self._kept.items() if _left(kept) > 0}
        self._kept[key] = session
        self._failed.pop(key, None)
        print(f"{who.name} has credentials until {session.told['Expiration']}.", flush=True)
        return session


def _left(session: Session) -> float:
    return (session.ends - datetime.now(UTC)).total_seconds()


def _unavailable(why: str) -> RefusedError:
    return RefusedError(
        503, f"AWS gives no credentials at present: {why}. Try again, or ask an administrator."
    )
