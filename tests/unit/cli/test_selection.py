"""Which stack is meant, with the real Pulumi CLI."""

import json
import subprocess
from pathlib import Path

import pytest

from cli import selection
from tests.unit import pulumi_project
from workbench import stack
from workbench.errors import WorkbenchError

pytestmark = pulumi_project.needs_pulumi


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the stack dev, which `pulumi stack init` has selected."""
    pulumi_project.make(tmp_path)
    enter(tmp_path, monkeypatch)
    return tmp_path


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "ROOT", root)
    for name, value in pulumi_project.environment(root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PWD", str(root))


def pulumi(root: Path, *arguments: str) -> None:
    done = pulumi_project.pulumi(root, *arguments)
    assert done.returncode == 0, done.stderr


def without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "Question", lambda *_, **__: pytest.fail("asked `pulumi`"))


def test_the_selected_stack_is_meant_and_pulumi_is_not_started_for_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(root, "stack", "init", "prod")
    without_asking(monkeypatch)
    assert selection.meant() == "prod"
    pulumi(root, "stack", "select", "dev")
    assert selection.meant() == "dev"


def test_a_checkout_is_known_by_the_path_that_the_shell_shows(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path_factory.mktemp("link") / "bench"
    link.symlink_to(root)
    pulumi(root, "stack", "unselect")
    monkeypatch.setenv("PWD", str(link))
    subprocess.run(["pulumi", "stack", "select", "dev"], cwd=link, check=True)
    without_asking(monkeypatch)
    assert selection.meant() == "dev"


def test_a_selection_of_another_backend_is_none_of_this_one(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pulumi_project.environment(root)["PULUMI_BACKEND_URL"]
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path_factory.mktemp('other')}")
    assert selection.selected() is None, "so says `pulumi` itself"
    monkeypatch.setenv("PULUMI_BACKEND_URL", own)
    assert selection.selected() == "dev"


def test_the_backend_may_be_the_one_of_a_login(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = pulumi_project.environment(root)["PULUMI_BACKEND_URL"]
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    (root / "home" / "credentials.json").write_text(json.dumps({"current": address}))
    without_asking(monkeypatch)
    assert selection.meant() == "dev"


@pytest.mark.parametrize("where", ["the project", "another spelling"])
def test_where_the_notes_do_not_tell_of_the_backend_pulumi_is_asked(
    root: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    address = pulumi_project.environment(root)["PULUMI_BACKEND_URL"]
    if where == "the project":
        (root / "Pulumi.yaml").write_text(f"{pulumi_project.PROJECT}backend: {{url: {address}}}\n")
        monkeypatch.delenv("PULUMI_BACKEND_URL")
    else:
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"{address}/")
    try:
        said = stack.Question("stack", "--show-name").said().strip()
    except WorkbenchError:
        said = None
    assert selection.selected() == said


def test_without_a_selection_the_only_stack_file_tells(root: Path) -> None:
    pulumi(root, "stack", "unselect")
    (root / "Pulumi.dev.yaml").unlink()
    with pytest.raises(WorkbenchError, match="There is no stack file"):
        selection.meant()
    (root / "Pulumi.dev.yaml").touch()
    assert selection.meant() == "dev"
    (root / "Pulumi.prod.yaml").touch()
    with pytest.raises(WorkbenchError, match=r"There are dev, prod; .*`pulumi stack select NAME`"):
        selection.meant()


@pytest.mark.parametrize(
    ("noted", "name"), [("organization/tiny/dev", "dev"), ("acme/tiny/dev", "acme/tiny/dev")]
)
def test_the_organization_of_files_is_left_out_of_a_name(noted: str, name: str) -> None:
    assert selection._short(noted) == name
