"""What things cost: known prices add up, unknown ones are said to be unknown."""

import pytest

from workbench import prices


def test_a_stopped_server_is_not_paid_for_and_its_disk_is() -> None:
    assert prices.server("t3.large", "stopped").usd == 0
    assert prices.server("t3.large").usd == pytest.approx(0.0832 * 730)
    assert prices.disk("root disk", 30).usd == pytest.approx(2.4)


def test_a_price_that_is_not_known_is_no_price_and_named_in_the_sum() -> None:
    parts = [prices.server("x9.huge"), prices.disk("data volume", 50), prices.disk("old", 5, "sc1")]
    assert [part.usd for part in parts] == [None, pytest.approx(4.0), None]
    total = prices.total(parts)
    assert str(total) == "about 4.00 USD a month without server and old, of unknown price"
    assert str(parts[0]) == "server (x9.huge, running): a price that is not known here"


def test_nights_save_the_hours_of_the_server_alone() -> None:
    assert prices.saved_by_nights("t3.large") == pytest.approx(0.0832 * 12 * 5 * 52 / 12)
    assert prices.saved_by_nights("x9.huge") is None
