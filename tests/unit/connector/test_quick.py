"""What is shorter than pyinfra's own way comes to the same."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest
from pyinfra.api import arguments, util
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ArgumentTypeError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from connector import quick

own_order: Any = util.get_operation_order_from_stack
own_arguments: Any = arguments.all_global_arguments
own_global_arguments: Any = arguments.pop_global_arguments


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


@pytest.mark.parametrize(
    "layer", ["nothing", "override", "host", "group", "all", "deploy", "@deploy", "call"]
)
def test_global_arguments_are_pyinfras_own(layer: str) -> None:
    """Whoever sets one: the inventory's data, a deploy's defaults, a deploy around, or the call itself."""
    shared = [1]
    said = {"_sudo": True, "_success_exit_codes": shared, "_timeout": 7}
    of = {name: said if name == layer else {} for name in ("override", "host", "group", "all")}
    inventory = Inventory(
        ([("@local", of["host"])], of["all"]), override_data=of["override"], some=(["@local"], of["group"])
    )
    state = State(inventory, Config())
    host: Any = inventory.get_host("@local")
    host.data.other = 5
    host.current_deploy_data = said if layer == "deploy" else None
    host.current_deploy_kwargs = said if layer == "@deploy" else None
    found = []
    for pop in (own_global_arguments, quick.global_arguments):
        kwargs = {"path": "/", **(said if layer == "call" else {})}
        found.append((pop(state, host, kwargs), kwargs))
    assert found[0] == found[1]
    (given, _), _ = found[1]
    assert (given["_timeout"] == 7) == (layer != "nothing")
    if layer not in {"nothing", "call", "@deploy"}:
        assert given["_success_exit_codes"] is not shared, "who changes it does not change the host's"


def test_an_argument_of_a_wrong_type_is_refused_as_pyinfra_does() -> None:
    inventory = Inventory((["@local"], {}))
    state, host = State(inventory, Config()), inventory.get_host("@local")
    for pop in (own_global_arguments, quick.global_arguments):
        with pytest.raises(ArgumentTypeError, match="_timeout"):
            pop(state, host, {"_timeout": "long"})


def test_invoke_is_not_imported_and_pyinfra_judges_a_match_exec_all_the_same() -> None:
    program = """
import sys
from connector.__main__ import import_pyinfra
assert callable(import_pyinfra())
assert "invoke" not in sys.modules
import paramiko.config
assert paramiko.config.invoke.__module__ == "pyinfra.connectors.sshuserclient.config"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_with_another_version_of_pyinfra_nothing_is_replaced_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then every command counts as a change (connector/remembering.py), and each fact is asked for alone."""
    quick.fits.cache_clear()
    monkeypatch.setattr(quick, "version", lambda name: "9.9.9")
    host: Any = SimpleNamespace(get_fact=len)
    for _ in range(2):
        assert quick.watch_facts(host, max) is len
    assert host.get_fact is len
    assert caplog.messages == [
        "This deploy takes longer: the connector was made for other versions than pyinfra 9.9.9 and paramiko 9.9.9."
    ]
    monkeypatch.undo()
    quick.fits.cache_clear()
    assert quick.fits(), "what is installed is what was tested"
