"""Programs that fail, or whose resources do: what is shown, what is kept, and how the next run goes on."""

import pytest

from tests.unit.lab.engine.conftest import PREAMBLE, UP, Make
from tests.unit.lab.engine.fake_cloud import FakeCloud


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [("broken", "hi", "the cloud is on fire"), ("echo", "", "a name is needed")],
)
def test_a_function_that_fails_fails_the_program(
    make_project: Make, cloud: FakeCloud, token: str, name: str, message: str
) -> None:
    command = make_project(PREAMBLE + f'pulumi.runtime.invoke("fake:index:{token}", {{"name": "{name}"}})\n')
    ran = command("up", "--yes")
    assert ran.status == 1
    assert message in ran.out


def test_a_program_may_catch_what_a_function_raises(make_project: Make, cloud: FakeCloud) -> None:
    program = (
        'try:\n    pulumi.runtime.invoke("fake:index:broken", {"name": "x"})\n'
        'except Exception as error:\n    pulumi.export("caught", "on fire" in str(error))\n'
    )
    command = make_project(PREAMBLE + program)
    command.ok(*UP)
    assert command.ok("stack", "output", "caught") == "true\n"


def test_a_run_error_is_shown_by_its_message_alone(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project('import pulumi\nraise pulumi.RunError("the zone is missing")\n')
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "error: the zone is missing" in ran.out
    assert "Traceback" not in ran.out + ran.err


def test_any_other_exception_is_a_bug_and_shown_with_its_traceback(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project("1 / 0\n")
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "ZeroDivisionError" in ran.out
    assert "__main__.py" in ran.out


def test_outputs_of_a_program_that_failed_do_not_replace_the_former(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project('import pulumi\npulumi.export("v", 1)\n')
    command.ok(*UP)
    (command.folder / "__main__.py").write_text(
        'import pulumi\npulumi.export("v", 2)\n1 / 0\n', encoding="utf-8"
    )
    command(*UP)
    assert command.ok("stack", "output", "v") == "1\n"


def test_what_a_provider_objects_to_is_shown_with_the_property(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a", value="forbidden")\n')
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "fake:index:Thing resource 'a' has a problem: this value is forbidden" in ran.out
    assert cloud.log == []


def test_a_failure_keeps_what_was_made_and_says_which_resource_failed(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(
        PREAMBLE + 'a = Thing("a")\nb = Thing("b", refs=[a.id])\nThing("c", refs=[b.id])\n'
    )
    cloud.fail_at = 1
    ran = command(*UP)
    assert ran.status == 1
    assert "fake:index:Thing (b):\n    error: create of b was made to fail" in ran.out
    assert ran.err == "error: update failed\n"
    cloud.fail_at = None
    command.ok(*UP)
    assert [name for _, name in cloud.log] == ["a", "b", "c"]


def test_what_was_made_but_is_not_ready_is_kept_and_updated_next_time(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(PREAMBLE + 'Thing("a", value="unready")\n')
    ran = command(*UP)
    assert ran.status == 1
    assert "it never became ready" in ran.out
    assert list(cloud.things) == ["a-1"]
    assert " ~  fake:index:Thing a updated" in command.ok(*UP)
    assert "2 unchanged" in command.ok(*UP)
    assert list(cloud.things) == ["a-1"]


def test_the_same_urn_twice_is_refused(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\nThing("a")\n')
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "Duplicate resource URN" in ran.out


def test_without_the_provider_the_error_says_where_it_comes_from(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_DEBUG_PROVIDERS", raising=False)
    command = make_project(PREAMBLE + 'Thing("a")\n')
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "has no fake provider of its own and downloads none: `workbench lab env`" in ran.out
