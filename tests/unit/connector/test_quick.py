"""What is shorter than pyinfra's own way comes to the same."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest
from pyinfra.api import arguments, util
from pyinfra.api.host import HostData

from workbench.connector import quick

own_order: Any = util.get_operation_order_from_stack
own_arguments: Any = arguments.all_global_arguments
own_datum: Any = HostData.__getattr__


def orders(state: Any) -> list[list[int]]:
    """What both say of this call, made from one line."""
    return [ask(state) for ask in (own_order, quick.order_of_caller)]


def nested(state: Any) -> list[list[int]]:
    return (lambda: orders(state))()


@pytest.mark.parametrize("cli", [True, False])
@pytest.mark.parametrize("deploy", [None, "deploy/main.py", "not/there.py"])
def test_operations_are_ordered_as_pyinfra_orders_them(
    deploy: str | None, cli: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", cli)
    state = SimpleNamespace(current_deploy_filename=deploy, current_op_file_number=3)
    space: dict[str, Any] = {"nested": nested, "state": state}
    exec(
        compile("def called():\n    return nested(state)\n\nsaid = called()", "deploy/main.py", "exec"), space
    )
    theirs, ours = space["said"]
    assert ours == theirs
    if deploy == "deploy/main.py":
        assert ours[cli:][:2] == [4, 2]  # the lines of that file come first


def test_the_types_of_arguments_are_pyinfras_own() -> None:
    quick.shorten()
    quick.shorten()
    assert arguments.all_global_arguments() == own_arguments()


@pytest.mark.parametrize("key", ["a", "b", "made", "absent", "_sudo", "changed"])
def test_a_hosts_data_are_pyinfras_own(key: str) -> None:
    shared = ["a list"]
    data = HostData("a host", {"a": 1}, {"a": 2, "b": shared}, lambda: {"made": 3, "b": 4})  # type: ignore[arg-type]
    data.changed = 5
    ours, theirs = [], []
    for said, datum in ((ours, quick.datum), (theirs, own_datum)):
        try:
            said.append(datum(data, key))
        except AttributeError as error:
            said.append(str(error))
    assert ours == theirs
    assert ours[0] is not shared, "who changes it does not change the host's"


def test_invoke_is_not_imported_and_pyinfra_judges_a_match_exec_all_the_same() -> None:
    program = """
import sys
from workbench.connector.__main__ import import_pyinfra
assert callable(import_pyinfra())
assert "invoke" not in sys.modules
import paramiko.config
assert paramiko.config.invoke.__module__ == "pyinfra.connectors.sshuserclient.config"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
