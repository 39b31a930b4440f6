"""The address: kept through a destroy where the stack file says so, and missed before anything is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import address
from tests.unit.cli import paid
from workbench import stack as stacks
from workbench import stackfile
from workbench.errors import WorkbenchError


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with paid.account(monkeypatch) as client:
        yield client


def exported(**address: Any) -> dict[str, Any]:
    urn = "urn:pulumi:prod::workbench::aws:ec2/eip:Eip::address"
    return {
        "deployment": {"resources": [{"type": "aws:ec2/eip:Eip", "urn": urn, "id": "eipalloc-1", **address}]}
    }


def take(ec2: Any, count: int, **tags: Any) -> None:
    for _ in range(count):
        ec2.allocate_address(Domain="vpc", **tags)


def test_where_the_account_has_no_address_left_nothing_is_made(ec2: Any) -> None:
    take(ec2, 4)
    address.require_room("prod", {})
    take(ec2, 1)
    with pytest.raises(
        WorkbenchError, match=r"^All 5 Elastic IP addresses .* in eu-central-1 are taken; release one"
    ):
        address.require_room("prod", {})


def test_one_that_is_there_already_needs_no_room(ec2: Any) -> None:
    take(ec2, 4)
    take(ec2, 1, TagSpecifications=paid.tagged("elastic-ip", "address"))
    address.require_room("prod", {})
    with pytest.raises(WorkbenchError):
        address.require_room("dev", {})
    address.require_room("dev", exported())


def test_the_stack_file_says_whether_it_is_kept_and_without_one_the_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    assert address.is_kept("prod", exported(protect=True))
    assert not address.is_kept("prod", exported())
    assert not address.is_kept("prod", {})
    path = stackfile.path_of("prod")
    path.write_text("config:\n  workbench:keepAddress: true\n")
    assert address.is_kept("prod", exported())
    path.write_text("config:\n  workbench:size: t3.large\n")
    assert not address.is_kept("prod", exported(protect=True)), "it may be released by taking the setting out"


def test_a_plan_says_what_keeping_it_costs_though_the_engine_sees_no_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "is_kept", lambda name, exported: True)
    assert address.change_of_keeping("prod", exported()) == (
        "From now on the address stays when the server is given back, for about 3.65 USD a month."
    )
    assert address.change_of_keeping("prod", exported(protect=True)) == ""
    assert address.change_of_keeping("prod", {}) == ""
    monkeypatch.setattr(address, "is_kept", lambda name, exported: False)
    assert "goes when the server is given back" in address.change_of_keeping("prod", exported(protect=True))


@pytest.mark.parametrize(
    ("protect", "keeps", "verb"),
    [(True, False, "unprotect"), (False, True, "protect"), (True, True, ""), (False, False, "")],
)
def test_the_state_is_brought_to_what_the_file_says(
    monkeypatch: pytest.MonkeyPatch, protect: bool, keeps: bool, verb: str
) -> None:
    asked: list[str] = []

    class Asked(stacks.Question):
        def __init__(self, *arguments: str, stack: str | None = None) -> None:
            asked.append(arguments[1])

        def said(self) -> str:
            return ""

    monkeypatch.setattr(stacks, "Question", Asked)
    address.keep("prod", exported(protect=protect), keeps)
    assert asked == ([verb] if verb else [])
