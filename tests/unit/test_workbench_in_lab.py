"""What the lab's tests lean on has to be able to say no."""

import pytest

from tests.workbench_in_lab import Applied

SUMMARY = """
--> Results:
    Operation                                 Hosts   Success   Error   No Change
    base | /etc/hosts                         1       1         -       -
    proxy | Run caddy.service                 1       -         -       1
    users | Bring accounts to the list        1       1         -       -
    Grand total                               3       2         -       1
"""


def test_what_changed_is_read_from_pyinfras_summary() -> None:
    assert Applied(0, SUMMARY).changed == ["base | /etc/hosts", "users | Bring accounts to the list"]


def test_a_run_that_changed_nothing_is_told_from_one_that_did() -> None:
    assert Applied(0, SUMMARY.replace("1         -       -", "-         -       1")).changed == []


def test_a_run_that_failed_half_way_is_told_from_one_that_was_refused_at_once() -> None:
    # a run that fails on the way shows no summary
    assert not Applied(
        1, "--> Beginning operation run...\n--> Starting operation: base | Set the time zone"
    ).refused
    assert Applied(1, "--> Preparing operations...\nadminSshKeys lacks the key").refused
    assert not Applied(0, "").refused
    with pytest.raises(AssertionError, match="the reason"):
        Applied(1, "the reason").require()
