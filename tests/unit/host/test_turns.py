"""Who may try a password when: by address, and never by the name that was tried."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import pytest

from workbench_host import turns
from workbench_host.turns import TooManyError, Turns


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "DELAY_SECONDS", 0.1)


def check(right: bool, seconds: float = 0.0) -> Callable[[], Awaitable[tuple[bool, bool]]]:
    async def run() -> tuple[bool, bool]:
        await asyncio.sleep(seconds)
        return right, right

    return run


async def tried(given: Turns, address: str, right: bool = False) -> bool | None:
    """The answer; None where it was not checked."""
    try:
        return await given.take(address, check(right))
    except TooManyError:
        return None


def test_of_many_wrong_ones_from_one_address_ten_at_most_are_checked() -> None:
    async def run() -> list[bool | None]:
        given = Turns()
        return list(await asyncio.gather(*(tried(given, "192.0.2.1") for _ in range(200))))

    found = asyncio.run(run())
    assert turns.FAILURES <= found.count(False) <= 10
    assert found.count(None) == 200 - found.count(False)


def test_a_good_one_waits_for_nobody_elses_bad_ones() -> None:
    async def run() -> float:
        given = Turns()
        bad = [asyncio.create_task(tried(given, "192.0.2.1")) for _ in range(200)]
        await asyncio.sleep(0)
        begun = time.monotonic()
        assert await tried(given, "192.0.2.2", right=True)
        took = time.monotonic() - begun
        await asyncio.gather(*bad)
        return took

    assert asyncio.run(run()) < 1


def test_an_address_with_too_many_failures_is_asked_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[bool | None]:
        given = Turns()
        for _ in range(turns.FAILURES):
            await tried(given, "192.0.2.1")
        found = [await tried(given, "192.0.2.1", right=True)]
        monkeypatch.setattr(turns, "SECONDS", 0.1)
        await asyncio.sleep(0.15)
        return [*found, await tried(given, "192.0.2.1", right=True)]

    monkeypatch.setattr(turns, "DELAY_SECONDS", 0.001)
    assert asyncio.run(run()) == [None, True]


def test_a_wrong_one_takes_as_long_whatever_its_check_took() -> None:
    async def run(seconds: float) -> float:
        begun = time.monotonic()
        assert not await Turns().take("192.0.2.1", check(False, seconds))
        return time.monotonic() - begun

    # A busy machine makes some of them longer, and none shorter.
    at_once, later = (min(asyncio.run(run(seconds)) for _ in range(4)) for seconds in (0.0, 0.08))
    assert abs(at_once - later) < 0.03


def test_addresses_that_are_quiet_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> int:
        given = Turns()
        for number in range(20):
            await tried(given, f"192.0.2.{number}", right=True)
        return len(given._addresses)

    monkeypatch.setattr(turns, "REMEMBERED", 5)
    assert asyncio.run(run()) <= 7


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.8.7", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.9.8.7", "loopback"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1:2%eth0", "fe80::/64"),
        ("", ""),
        ("what is this", "what is this"),
    ],
)
def test_what_one_person_has_many_of_is_one_address(address: str, place: str) -> None:
    assert turns.place(address) == place


@pytest.mark.parametrize("many", ["127.9.8.{}", "2001:db8::{:x}"])
def test_who_has_many_addresses_cannot_take_all_checks_at_a_time(many: str) -> None:
    """The right password of somebody else is checked at once, or after one check of those that are running."""
    seconds = 0.2

    async def run() -> tuple[float, int]:
        given, checked = Turns(), []

        async def guess(address: str) -> None:
            with contextlib.suppress(TooManyError):
                checked.append(await given.take(address, check(False, seconds)))

        bad = [asyncio.create_task(guess(many.format(number))) for number in range(200)]
        await asyncio.sleep(0)
        begun = time.monotonic()
        assert await given.take("192.0.2.2", check(True, seconds))
        took = time.monotonic() - begun
        await asyncio.gather(*bad)
        return took, len(checked)

    took, checked = asyncio.run(run())
    assert took < 2 * seconds + 0.1
    assert checked <= 10
