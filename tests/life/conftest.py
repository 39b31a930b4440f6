"""A stack that stands, for the tests of what happens to one."""

from collections.abc import Iterator

import pytest

from tests.life_in_lab import Lab
from tests.standing import Standing, Stands, stands


@pytest.fixture(scope="module")
def _stands(bare_lab: Lab) -> Iterator[Stands]:
    with stands(bare_lab) as given:
        yield given


@pytest.fixture
def standing(_stands: Stands) -> Standing:
    """A stack that is up, with work on its data volume; shared by a module (tests/standing.py)."""
    return _stands.one()
