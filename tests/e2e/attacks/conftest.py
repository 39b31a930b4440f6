"""Browsers of people who attack nobody."""

from collections.abc import Iterator

import httpx
import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench


@pytest.fixture
def ada(workbench: Workbench) -> Iterator[Visitor]:
    """An administrator, whose browser has just logged in."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        yield visitor


@pytest.fixture
def stranger(workbench: Workbench) -> Iterator[httpx.Client]:
    """A browser without any cookie, which follows no redirect."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.client.follow_redirects = False
        yield visitor.client
