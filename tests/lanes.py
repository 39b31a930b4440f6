"""Which tests run: the long ones by shards, and no skip in CI (docs/tests.md). A pytest plugin of tests/conftest.py."""

import os
import subprocess
from collections.abc import Collection, Generator

import pytest

from workbench import ROOT

SHARDS = 12


def commit() -> str:
    """The commit that is checked out, 40 hex digits; "" outside a git checkout."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def shard(commit: str) -> int:
    """The shard, 0 to 11, that a commit chooses; 0 where there is none."""
    return int(commit or "0", 16) % SHARDS


def dealt(ids: Collection[str], shard: int) -> set[str]:
    """Those of a shard: dealt out like cards, in order, so that the points of one matrix are spread over all shards."""
    return set(sorted(ids)[shard::SHARDS])


def pytest_addoption(parser: pytest.Parser) -> None:
    said = (
        f"of the tests marked long, only the shard (one of {SHARDS}) that the commit chooses; use with -m ''"
    )
    parser.addoption("--shard", action="store_true", help=said)


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("--shard"):
        return None
    chosen = commit()
    said = f"chosen by commit {chosen[:12]}" if chosen else "there is no commit to choose another"
    return f"long tests: shard {shard(chosen)} of 0 to {SHARDS - 1} ({said})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--shard"):
        return
    long = {item.nodeid for item in items if item.get_closest_marker("long")}
    left_out = long - dealt(long, shard(commit()))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI is set a skipped test fails, with the reason, since nobody reads what CI skipped."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{reason} (and in CI no test is to be skipped)"
    return report
