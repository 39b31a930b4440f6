"""What is left of a stack, in words and money."""

import pytest

from workbench import leftovers


@pytest.mark.parametrize(
    ("size", "state", "said"),
    [
        ("t3.large", "running", "server i-1 (t3.large, running), about 63.14 USD a month"),
        ("t3.large", "stopped", "server i-1 (t3.large, stopped), about 2.40 USD a month"),
        ("x9.huge", "running", "server i-1 (x9.huge, running), at a price that is not known here"),
    ],
)
def test_a_server_costs_its_type_while_it_runs_and_its_disk_always(size: str, state: str, said: str) -> None:
    assert str(leftovers.server("i-1", "a", size, state, 30)) == said


def test_what_is_found_is_listed_by_the_stack_that_it_belongs_to() -> None:
    found = [
        leftovers.Leftover("network", "vpc-1", "bbb"),
        leftovers.volume("vol-2", "aaa", 50),
        leftovers.address("eipalloc-1", "bbb", "192.0.2.1"),
    ]
    assert leftovers.listing(found).splitlines() == [
        "  aaa: data volume vol-2 (50 GiB), about 4.00 USD a month",
        "  bbb: address eipalloc-1 (192.0.2.1), about 3.65 USD a month; network vpc-1",
    ]


def test_a_state_knows_its_stack_by_the_component_and_else_by_a_tag() -> None:
    tagged = {"outputs": {"tags": {"StackId": "bbb"}}}
    assert leftovers.stack_id_of([{}, {"outputs": None}, {"outputs": {"tags": None}}]) is None
    assert leftovers.stack_id_of([{}, tagged]) == "bbb"
    assert leftovers.stack_id_of([tagged, {"outputs": {"stackId": "aaa"}}]) == "aaa"
