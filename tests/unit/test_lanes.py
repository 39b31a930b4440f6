"""Which tests run, asked of pytest itself on a folder of a few."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import lanes
from workbench import ROOT

TESTS = """
import pytest

@pytest.mark.long
@pytest.mark.parametrize("n", range(20))
def test_long(n): ...

def test_short(): ...
"""
SKIPS = """
import pytest

@pytest.mark.skipif(True, reason="needs a reason")
def test_marked(): ...

def test_asking(): pytest.skip("has a reason")
"""


def run(folder: Path, tests: str, *arguments: str, **environment: str) -> str:
    """What pytest says of `tests`."""
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    without = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_ADDOPTS"}}
    command = [sys.executable, "-m", "pytest", "-p", "tests.lanes", "-p", "no:cacheprovider", "-rA"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), "-c", str(folder / "pytest.ini"), *arguments, str(folder)],
        cwd=ROOT,
        env=without | environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_a_commit_chooses_one_of_twelve_shards_and_none_the_first() -> None:
    assert {lanes.shard(f"{number:040x}") for number in range(99)} == set(range(12))
    assert lanes.shard("") == 0


def test_each_long_test_is_in_one_shard() -> None:
    ids = [f"test_long[{number}]" for number in range(20)]
    shards = [lanes.dealt(ids, shard) for shard in range(12)]
    assert sorted(name for shard in shards for name in shard) == sorted(ids)
    assert {len(shard) for shard in shards} == {1, 2}


def test_pytest_says_which_shard_it_runs(tmp_path: Path) -> None:
    said = run(tmp_path, TESTS, "--shard")
    chosen = lanes.shard(lanes.commit())
    assert f"long tests: shard {chosen} of 0 to 11" in said
    assert len(re.findall(r"PASSED .*test_long", said)) in {1, 2}
    assert re.search(r"PASSED .*test_short", said)
    assert len(re.findall(r"PASSED .*test_long", run(tmp_path, TESTS))) == 20


def test_a_test_that_is_skipped_says_why_and_in_ci_it_fails(tmp_path: Path) -> None:
    assert "2 skipped" in run(tmp_path, SKIPS)
    said = run(tmp_path, SKIPS, CI="true")
    assert "1 failed, 1 error" in said
    for reason in ("needs a reason", "has a reason"):
        assert f"{reason} (and in CI no test is to be skipped)" in said
