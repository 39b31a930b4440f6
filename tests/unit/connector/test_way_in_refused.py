"""What a deploy that does not get in says, and that it asks nobody for a passphrase."""

import json
import time
from pathlib import Path

import pytest

from connector import configure
from tests.needs import needs_sshd
from tests.unit.connector.deploying import deploy_that
from tests.unit.connector.way_in import FAR, LOCKED, facts_of
from tests.unit.sshd import Client, make_key
from workbench import keys, stack
from workbench.errors import WorkbenchError

pytestmark = needs_sshd


@pytest.mark.parametrize("named", [True, False])
def test_a_key_with_a_passphrase_and_no_agent_is_refused_before_anything_waits_for_it(
    checkout: Path, client: Client, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """As `pulumi up` calls it, whose plugin has no terminal that it could ask at."""
    path = client.home / ".ssh" / "id_ed25519"
    public_key = make_key(path, "secret")
    if named:
        monkeypatch.setenv(keys.KEY_VARIABLE, str(path))
    config = {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [public_key],
    }
    facts = facts_of(FAR).model_dump(mode="json", by_alias=True)
    began = time.monotonic()
    with pytest.raises(WorkbenchError, match=LOCKED):
        configure.from_context(json.dumps({"config": config, "outputs": facts}))
    assert time.monotonic() - began < 10


def test_who_is_not_let_in_is_told_of_the_keys_that_could_not_be_used(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows that it is ours: the settings have none of this machine's."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    make_key(client.home / ".ssh" / "id_ed25519", "secret")
    run_of_who_is_not_let_in(tmp_path, monkeypatch, LOCKED)


@pytest.mark.usefixtures("client")
def test_who_is_not_let_in_is_told_that_the_key_they_named_is_none_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    make_key(tmp_path / "mine")
    monkeypatch.setenv(keys.KEY_VARIABLE, str(tmp_path / "mine"))
    run_of_who_is_not_let_in(
        tmp_path,
        monkeypatch,
        r"WORKBENCH_SSH_KEY names \S+mine, whose public key \(SHA256:\S+\) is none of workbench:adminSshKeys",
    )


def run_of_who_is_not_let_in(root: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """A deploy that the server refuses says what is told."""
    config = {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [make_key(root / "somebody's")],
    }
    facts = facts_of()
    lines = ["    [bench] Authentication error (username=admin)", "--> pyinfra error: No hosts remaining!"]
    deploy_that(root, monkeypatch, "".join(f"print({line!r})\n" for line in lines) + "sys.exit(1)")
    with configure.begun() as run:
        run.hand_over(json.dumps({"config": config, "outputs": facts.model_dump(by_alias=True)}), facts)
        with pytest.raises(WorkbenchError, match=told):
            run.end()
