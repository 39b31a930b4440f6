"""The stack file: judged with line numbers, edited without losing anything."""

import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import PUBLIC_KEY
from tests.unit import pulumi_project
from workbench import stackfile
from workbench.errors import WorkbenchError

GOOD = f"""\
# our bench
config:
  aws:region: eu-west-1
  workbench:size: t3.large  # enough for three
  workbench:zone: eu-west-1a
  workbench:sshFrom: [203.0.113.7/32]
  workbench:adminSshKeys:
    - {PUBLIC_KEY}
  workbench:users:
    - name: ada
      passwordHash:
        secure: v1:abc:def
    - name: grace
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(GOOD)
    return path


def test_a_file_with_an_encrypted_hash_is_judged_offline(file: Path) -> None:
    assert stackfile.check(file).hidden == ["workbench:users[0].passwordHash"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name: grace", "name: Grace", "Pulumi.dev.yaml, line 13: workbench:users[1].name is"),
        ("workbench:size:", "workbench:sise:", "Pulumi.dev.yaml, line 4: workbench:sise is not a setting"),
        ("203.0.113.7/32", "203.0.113.7/33", "Pulumi.dev.yaml, line 6: workbench:sshFrom[0] is"),
        ("name: grace", "nome: grace", "line 13: workbench:users[1].nome is not a setting"),
        (
            "size:",
            "dataVolumeGib: 0100\n  workbench:size:",
            "line 4: workbench:dataVolumeGib is written in a way",
        ),
        (
            "name: grace",
            "name: grace\n      uid: 02000",
            "line 14: workbench:users[1].uid is written in a way",
        ),
        (
            "size:",
            "limits: {diskGib: 0100}\n  workbench:size:",
            "line 4: workbench:limits.diskGib is written",
        ),
        (
            "size:",
            "services:\n    proxy:\n      notice: 2026-12-01\n  workbench:size:",
            "line 6: workbench:services.proxy.notice is written in a way that Pulumi reads otherwise",
        ),
        ("size:", "domain:\n  workbench:size:", 'line 4: workbench:domain is "", which is no domain name'),
        (
            "eu-west-1a",
            "us-east-1a",
            "line 5: workbench:zone is 'us-east-1a', but aws:region is 'eu-west-1'; set that to",
        ),
        (
            "users:",
            "domain: bench.example.org\n"
            "  workbench:services:\n    proxy:\n      acmeServer: https://[::1/x\n  workbench:users:",
            'line 12: workbench:services.proxy.acmeServer is "https://[::1/x", which is no web address',
        ),
        (
            "users:",
            "services:\n    python: {versions: [3.12]}\n  workbench:users:",
            "line 10: workbench:services.python.versions[0] is 3.12; takes text: quote it.",
        ),
        ("name: grace", "name: ada", "line 13: workbench:users[1].name is ada a second time"),
        (
            "users:",
            "services:\n    r:\n      versions:\n      - version: 4.2.3\n      - version: 4.4.3\n  workbench:users:",
            "line 13: workbench:services.r.versions[1].sha256 is missing",
        ),
        (
            "users:",
            'services:\n    python:\n      versions:\n        - "3.12"\n        - "3.12"\n  workbench:users:',
            "line 13: workbench:services.python.versions[1] is 3.12 a second time",
        ),
    ],
)
def test_a_fault_is_named_with_file_and_line(file: Path, old: str, new: str, sentence: str) -> None:
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(WorkbenchError) as caught:
        stackfile.check(file)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (
            "t3.larg",
            "not among the common types, so that AWS alone knows whether there is such a type and whether",
        ),
        ("t3.larg", "t3.large is close"),
        ("m9x.large", "not among the common types"),
        ("g5.xlarge", "whose GPU or other accelerator is paid for and lies idle"),
        ("p5en.48xlarge", "whose GPU or other accelerator"),
    ],
)
def test_what_only_aws_can_know_is_a_note_and_no_fault(file: Path, size: str, note: str) -> None:
    file.write_text(GOOD.replace("t3.large", size))
    notes = stackfile.check(file).notes
    assert any(
        line.startswith("Pulumi.dev.yaml, line 4: workbench:size is") and note in line for line in notes
    )


def test_a_common_type_gets_no_note(file: Path) -> None:
    assert stackfile.check(file).notes == []


@pytest.mark.parametrize(
    "users",
    [
        "{ada: {password: hunter2}}",
        "{ada: hunter2}",
        "{name: ada, passwordHash: hunter2}",
        "ada hunter2",
        "[hunter2]",
        "['ada:hunter2']",
        "[[hunter2]]",
        "[{name: ada, password: hunter2}]",
        "[{name: ada, passwordHash: hunter2}]",
        "[{name: ada, passwordHash: [hunter2]}]",
        "[{name: ada, passwordHash: a, passwordHash: hunter2}]",
        "[{name: [hunter2]}]",
        '\'[{"name": "ada", "password": "hunter2"}]\'',
        '\'[{"name": "hunter2\'',
        "[{name: ada, passwordHash: !hunter2 x}]",
        "[{name: ada, passwordHash: *hunter2}]",
        "[{name: ada, passwordHash: 0123}]",
        "[{name: &a ada, passwordHash: &a hunter2}]",
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_clear_password_is_in_no_complaint_wherever_it_stands(file: Path, users: str) -> None:
    file.write_text(GOOD[: GOOD.index("  workbench:users:")] + f"  workbench:users: {users}\n")
    with pytest.raises(WorkbenchError, match=r"Pulumi.dev.yaml, line 9: ") as caught:
        stackfile.check(file)
    assert "hunter2" not in str(caught.value)
    assert "0123" not in str(caught.value)


@pytest.mark.parametrize("key", ["size", "sshFrom", "adminSshKeys", "users", "services", "dataVolumeGib"])
def test_a_whole_setting_that_is_encrypted_is_left_to_pulumi_and_named(file: Path, key: str) -> None:
    document = YAML(typ="safe").load(GOOD)
    document["config"][f"workbench:{key}"] = {"secure": "v1:abc:def"}
    with file.open("w") as out:
        YAML().dump(document, out)
    assert f"workbench:{key}" in stackfile.check(file).hidden
    file.write_text(file.read_text().replace("eu-west-1a", "mars"))
    with pytest.raises(WorkbenchError) as caught:
        stackfile.check(file)
    assert str(caught.value).count("\n") == 0, "of what is encrypted nothing is complained of"
    assert 'workbench:zone is "mars"' in str(caught.value)


def test_secrets_of_other_namespaces_are_nothing_to_us(file: Path) -> None:
    file.write_text(f"{GOOD}  aws:secretKey:\n    secure: v1:abc:def\n")
    assert stackfile.check(file).hidden == ["workbench:users[0].passwordHash"]


def test_what_is_not_yaml_is_said_with_its_line(file: Path) -> None:
    file.write_text(GOOD.replace("[203.0.113.7/32]", "[203.0.113.7/32"))
    with pytest.raises(WorkbenchError, match=r"Pulumi.dev.yaml, line \d+: is not YAML"):
        stackfile.check(file)


def test_a_file_without_settings_is_refused(file: Path) -> None:
    file.write_text("just text")
    with pytest.raises(WorkbenchError, match="no section `config:`"):
        stackfile.check(file)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"Pulumi.none.yaml does not exist"):
        stackfile.check(tmp_path / "Pulumi.none.yaml")


def test_a_file_becomes_its_owners_alone_and_a_new_one_is(file: Path) -> None:
    """A14: they have password hashes, and were 0644."""
    file.chmod(0o644)
    stackfile.set_value(file, "size", "t3.small")
    assert file.stat().st_mode & 0o777 == 0o600
    fresh = file.with_name("Pulumi.new.yaml")
    stackfile.write(fresh, GOOD)
    assert fresh.stat().st_mode & 0o777 == 0o600


def test_a_file_of_somebody_elses_is_written_with_their_group_and_mode(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a shared folder: only root gives files away, the group is one's own as well. Others have no part in it."""
    file.chmod(0o664)
    asked = []

    def fchown(_: int, owner: int, group: int) -> None:
        asked.append((owner, group))
        if owner != -1:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", fchown)
    stackfile.set_value(file, "size", "t3.small")
    former = file.stat()
    assert (former.st_mode & 0o777, (-1, former.st_gid) in asked) == (0o660, True)
    assert "t3.small" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("fails", ["fsync", "replace", "open"])
def test_a_file_that_cannot_be_written_is_as_it_was_and_leaves_no_new_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def failing(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(*((Path, fails) if fails == "replace" else (os, fails)), failing)
    with pytest.raises(WorkbenchError, match=r"Pulumi.dev.yaml cannot be written in .*: Permission denied\."):
        stackfile.set_value(file, "size", "t3.small")
    monkeypatch.undo()
    assert file.read_text() == GOOD
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_new_size_leaves_comments_and_secrets_as_they_are(file: Path) -> None:
    stackfile.set_value(file, "size", "t3.small")
    assert file.read_text() == GOOD.replace("t3.large", "t3.small")


@pulumi_project.needs_pulumi
def test_a_stack_file_may_be_a_link_into_a_repository_of_ones_own(tmp_path: Path, file: Path) -> None:
    """docs/updating.md: `pulumi` and `workbench` write through it, and neither puts a file in its place."""
    checkout, kept = tmp_path / "workbench", file
    checkout.mkdir()
    link = checkout / kept.name
    link.symlink_to(Path("..") / kept.name)
    pulumi_project.make(checkout)  # with `pulumi stack init dev`
    for words in (
        ["config", "set", "aws:profile", "team"],
        ["config", "set", "--secret", "workbench:x", "y"],
    ):
        done = pulumi_project.pulumi(checkout, *words)
        assert done.returncode == 0, done.stderr
    stackfile.set_value(link, "size", "t3.small")
    assert link.is_symlink()
    written = YAML(typ="safe").load(kept)
    assert (written["config"]["aws:profile"], written["config"]["workbench:size"]) == ("team", "t3.small")
    assert set(written["config"]["workbench:x"]) == {"secure"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept.name, "workbench"]
    done = pulumi_project.pulumi(checkout, "stack", "rm", "dev", "--yes")
    assert done.returncode == 0, done.stderr
    assert not link.is_symlink()
    assert YAML(typ="safe").load(kept) == written, "what is removed is the link"
