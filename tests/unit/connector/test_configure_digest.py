"""By which digests `pulumi` sees that a host has to be configured anew."""

import json
import subprocess
from pathlib import Path

import pytest

from connector import configure
from workbench import stack


def test_the_digest_changes_with_any_template(root: Path) -> None:
    template = root / "templates" / "base" / "hosts.j2"
    template.parent.mkdir(parents=True)
    template.write_text("one")
    before = configure.deploy_digest()
    assert configure.deploy_digest() == before
    template.write_text("two")
    assert configure.deploy_digest() != before


def test_what_an_editor_or_python_leaves_behind_is_not_in_the_digest(root: Path) -> None:
    (root / "templates" / "base").mkdir(parents=True)
    before = configure.deploy_digest()
    for name in ("hosts.j2~", ".hosts.j2.swp", "#hosts.j2#", ".DS_Store"):
        (root / "templates" / "base" / name).write_text("stray")
    cache = root / "deploy" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "base.cpython-313.pyc").write_bytes(b"stray")
    assert configure.deploy_digest() == before


@pytest.mark.skipif(not (stack.ROOT / ".git").exists(), reason="needs the repository, to know what is in it")
def test_all_that_the_deploy_reads_is_in_the_digest() -> None:
    """Of what is committed there, only what locks are made from decides nothing on the host."""
    listed = ["git", "ls-files", "deploy", "templates", "workbench/*.py", "workbench/settings"]
    tracked = subprocess.run(listed, cwd=stack.ROOT, capture_output=True, text=True, check=True).stdout
    counted = {
        str(path.relative_to(stack.ROOT))
        for folder, pattern in configure._DECIDING
        for path in (stack.ROOT / folder).glob(pattern)
    }
    missing = {path for path in tracked.splitlines() if not path.startswith("cli/")} - counted
    assert {path for path in missing if not path.endswith(".in")} == set()


def test_the_outputs_of_a_configuration_are_digests_and_no_settings() -> None:
    inputs = {"context": '{"config": {"hash": "$2b$secret"}}', "digest": "d", "instanceId": "i-1"}
    kept = configure.remembered(inputs)
    assert "secret" not in json.dumps(kept)
    assert kept != configure.remembered({**inputs, "context": "{}"})
