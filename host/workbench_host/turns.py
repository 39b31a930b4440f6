"""How fast passwords may be tried: slowly from each address, without making other addresses wait.

A check is a turn. Each address has a few turns at a time, and a few of its clients may wait. A wrong password is
answered DELAY_SECONDS after its check began, whatever was wrong, so that the time does not tell whether there is such a
user; the turn ends with the answer. Nothing is checked for an address that has failed too often of late: fail2ban bans
it, but does not end connections that are open already. Failures never count against a user's name, so somebody who
guesses at a user's password can keep that user out from the guesser's own address only. What one person has many of
counts as one address (`place`).
"""

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

DELAY_SECONDS = 2.0
TURNS = 2  # of one address at a time
WAITING = 20  # of one address: a course that logs in at the same moment
CHECKS = 4  # at a time in all, each of which costs a processor some tenths of a second
TOTAL = 400  # of all addresses, turns and waiting
FAILURES, SECONDS = 8, 30.0  # with those that may be under way then: ten at most
REMEMBERED = 1000  # addresses, before those are forgotten that have been quiet

Answer = TypeVar("Answer")


class TooManyError(Exception):
    """Nothing was checked: too many tries from there."""


@dataclass
class Address:
    """Where tries come from: how many are here now, and when (monotonic seconds) the last ones failed."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TURNS))
    here: int = 0
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))

    def is_spent(self) -> bool:
        """Whether it has failed too often of late."""
        return len(self.failures) == FAILURES and self.failures[0] > time.monotonic() - SECONDS

    def is_quiet(self) -> bool:
        """Whether nothing is lost by forgetting it."""
        return not self.here and not (self.failures and self.failures[-1] > time.monotonic() - SECONDS)


def place(address: str) -> str:
    """What counts as one address: a /64 of IPv6, which is the least that anybody has, and all of loopback.

    One that cannot be read stays as it is.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return "loopback" if found.is_loopback else str(ipaddress.ip_network((found, 64), strict=False))
        found = found.ipv4_mapped
    return "loopback" if found.is_loopback else str(found)


class Turns:
    """Gives turns; one of it for all that ask the same passwords."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._checks = asyncio.Semaphore(CHECKS)
        self._here = 0

    async def take(self, address: str, check: Callable[[], Awaitable[tuple[bool, Answer]]]) -> Answer:
        """Waits for a turn and checks; what `check` says: whether it was right, and the answer.

        Raises TooManyError instead of checking where too many are there or have failed.
        """
        if len(self._addresses) > REMEMBERED:
            self._addresses = {name: one for name, one in self._addresses.items() if not one.is_quiet()}
        client = self._addresses.setdefault(place(address), Address())
        if client.is_spent() or client.here >= TURNS + WAITING or self._here >= TOTAL:
            raise TooManyError
        client.here += 1
        self._here += 1
        try:
            async with client.turns:
                if client.is_spent():
                    raise TooManyError
                return await self._checked(client, check)
        finally:
            client.here -= 1
            self._here -= 1

    async def _checked(self, client: Address, check: Callable[[], Awaitable[tuple[bool, Answer]]]) -> Answer:
        begun = time.monotonic()
        async with self._checks:
            right, answer = await check()
        if not right:
            client.failures.append(time.monotonic())
            await asyncio.sleep(begun + DELAY_SECONDS - time.monotonic())
        return answer
