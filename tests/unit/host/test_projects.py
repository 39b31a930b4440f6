"""workbench-project in a home of the test's, with the real git. For uv and renv: tests/deploy/test_projects.py."""

import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host import trust_folder
from workbench_host.projects import command, python, r

pytestmark = needs("git")
Ways = list[list[str]]
EVERYWHERE = {
    "README.md", ".gitignore", "data/raw/.gitkeep", "data/raw/example.csv", "data/derived/.gitkeep",
}  # fmt: skip


class Person:
    """A home, and a folder that is shared; `run` calls the command and gives back (status, what it said)."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.home, self.shared, self.capfd = folder / "home", folder / "shared", capfd
        self.ways: Ways = [["true"]]
        (self.shared / "team").mkdir(parents=True)
        self.home.mkdir()
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        monkeypatch.setattr("os.geteuid", lambda: 2000)
        monkeypatch.setattr(command, "SHARED", str(self.shared))
        for language in (python, r):
            monkeypatch.setattr(language, "commands", self.commands)

    def commands(self, *_: object) -> Iterator[tuple[str, Ways, dict[str, str]]]:
        yield "the environment", self.ways, {}

    def is_known(self) -> None:
        (self.home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")

    def run(self, *words: str) -> tuple[int, str]:
        self.capfd.readouterr()
        status = command.main(words)
        return status, "".join(self.capfd.readouterr())

    def git(self, folder: Path, *words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Person:
    return Person(tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize(
    ("language", "own"),
    [
        ("python", {"pyproject.toml", "src/analysis.py", "tests/test_analysis.py", "report/report.ipynb"}),
        ("r", {"birds.Rproj", "R/analysis.R", "R/run.R", "tests/test_analysis.R", "report/report.Rmd"}),
    ],
)
def test_a_project_has_all_its_parts_and_one_commit_of_its_user(
    person: Person, language: str, own: set[str]
) -> None:
    person.is_known()
    status, said = person.run("birds", "--language", language)
    assert status == 0, said
    birds = person.home / "birds"
    assert set(person.git(birds, "ls-files").split()) == EVERYWHERE | own
    assert person.git(birds, "log", "--format=%an %s") == "Ada Begin birds\n"
    (birds / "data" / "raw" / "large.csv").touch()
    (birds / "data" / "derived" / "made.csv").touch()
    assert person.git(birds, "status", "--porcelain") == "", "data stays out of git"
    assert list(person.home.glob(".*-project-*")) == []
    readme = (birds / "README.md").read_text()
    assert 'workbench-schedule add birds "Mon 07:00"' in readme
    assert "{" not in readme


def test_the_report_is_a_notebook_of_the_projects_kernel(person: Person) -> None:
    person.run("Birds", "--language=python")
    told = json.loads((person.home / "Birds" / "report" / "report.ipynb").read_text())
    assert told["metadata"]["kernelspec"]["name"] == "project-birds"
    assert [cell["cell_type"] for cell in told["cells"]] == ["markdown", "code", "code"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../a", "a b", "a\nb", "-a", "1a", "é", "x" * 51, "a..b", "a%s", "a-", "$(id)"],
)
def test_a_name_that_is_none_is_refused_and_nothing_made(person: Person, name: str) -> None:
    status, said = person.run(name)
    assert status in (1, 2)
    assert len(said.splitlines()) == 1
    assert list(person.home.iterdir()) == []


def test_what_is_there_is_not_touched(person: Person) -> None:
    (person.home / "birds").mkdir()
    (person.home / "link").symlink_to("nowhere")
    for name in ("birds", "link"):
        status, said = person.run(name)
        assert (status, "is there already" in said) == (1, True)
    assert sorted(path.name for path in person.home.iterdir()) == ["birds", "link"]
    (person.home / "birds" / "README.md").touch()
    assert person.run("birds")[1].endswith("its README.md has the commands for its environment.\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["birds", "--in", "/tmp"], "neither in your home nor a shared folder"),
        (["birds", "--in", "nowhere"], "there is no folder nowhere"),
        (["birds", "--in"], "--in takes a value"),
        (["birds", "--language", "julia"], "takes python or r"),
        (["birds", "fish"], "the name of one project"),
        (["--fast", "birds"], "there is no option --fast"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(person: Person, words: list[str], why: str) -> None:
    status, said = person.run(*words)
    assert status in (1, 2)
    assert why.lower() in said.lower()
    assert len(said.splitlines()) == 1


def test_a_folder_that_leads_out_of_the_home_is_none_of_it(person: Person, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (person.home / "here").symlink_to(tmp_path / "elsewhere")
    assert "neither in your home" in person.run("birds", "--in", str(person.home / "here"))[1]


def test_without_an_author_there_is_no_commit_and_the_commands_are_said(person: Person) -> None:
    status, said = person.run("birds")
    assert status == 1
    assert 'git config --global user.name "Ada Lovelace"; git config --global user.email' in said
    assert (person.home / "birds" / ".git").is_dir()
    assert "A  README.md" in person.git(person.home / "birds", "status", "--porcelain")


def test_an_environment_that_cannot_be_made_is_said_and_the_rest_stands(person: Person) -> None:
    person.is_known()
    person.ways = [["sh", "-c", "echo no network >&2; exit 2"], ["sh", "-c", "echo not cached >&2; exit 2"]]
    status, said = person.run("birds")
    assert status == 1
    assert "The environment could not be made: no network.\nThe rest stands" in said
    assert person.git(person.home / "birds", "log", "--format=%s") == "Begin birds\n"
    person.ways = [["nothing-of-the-kind"], ["true"]]
    assert person.run("fish")[0] == 0, "what was downloaded before is enough"


def test_what_fails_before_it_is_whole_leaves_nothing(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    assert person.run("birds") == (1, "No space left on device.\n")
    assert list(person.home.iterdir()) == []


def test_in_a_shared_folder_the_group_works_in_one_repository_and_who_made_it_trusts_it(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.is_known()
    monkeypatch.setattr(python, "commands", lambda *given: iter([(str(given[1]), [["true"]], {})]))
    status, said = person.run("birds", "--in", str(person.shared / "team"))
    birds = person.shared / "team" / "birds"
    assert (status, "Making True ..." in said) == (0, True), said
    assert person.git(birds, "config", "core.sharedRepository").strip() in ("1", "group")
    assert str(birds) in (person.home / trust_folder.LIST).read_text().split()
    assert str(birds) in person.git(birds, "config", "--global", "--get-all", "safe.directory").split()
    assert f"trust-folder {birds}" in said.splitlines()[-1]
    assert person.run("fish", "--in", str(person.shared))[0] == 1, "that one is root's, of no group"


def test_uv_makes_copies_where_others_write_and_tries_what_was_downloaded(tmp_path: Path) -> None:
    alone, shared = (list(python.commands(tmp_path / "birds", shared)) for shared in (False, True))
    assert "UV_LINK_MODE" not in alone[0][2]
    assert shared[0][2]["UV_LINK_MODE"] == "copy"
    assert [ways[-1][-1] for _, ways, _ in alone[:2]] == ["--offline", "--offline"]


@pytest.mark.parametrize("name", ["pandas", "pytest", "IPykernel", "numpy"])
def test_a_project_of_a_packages_name_is_none_that_it_depends_on(person: Person, name: str) -> None:
    """uv takes the package for the project itself, and leaves it out without a word (tried: uv 0.13)."""
    person.run(name)
    told = tomllib.loads((person.home / name / "pyproject.toml").read_text())["project"]
    assert told["name"] == f"project-{name.lower()}"
    assert told["name"] not in told["dependencies"]


def test_two_projects_of_one_name_have_two_kernels(person: Person) -> None:
    def install(target: Path) -> tuple[str, str]:
        """As ipykernel does it."""
        name, title = python.kernel_of(target)
        spec = person.home / ".local/share/jupyter/kernels" / name / "kernel.json"
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text(json.dumps({"argv": [str(python.program(target)), "-m", "ipykernel_launcher"]}))
        python.program(target).parent.mkdir(parents=True, exist_ok=True)
        python.program(target).touch()
        return name, title

    first, second, third = person.home / "Bird", person.shared / "team" / "bird", person.home / "old" / "bird"
    assert install(first) == ("project-bird", "Bird")
    assert install(second) == ("project-bird-2", "bird (team)")
    assert install(first) == ("project-bird", "Bird"), "its own again"
    report = python.notebook(third)["metadata"]
    assert report == {
        "kernelspec": {"name": "project-bird-3", "display_name": "bird (old)", "language": "python"}
    }
    assert '--name project-bird-2 --display-name "bird (team)"' in python.readme(second)
    python.program(first).unlink()
    assert install(third)[0] == "project-bird", "that of a project that is gone"


def test_what_a_call_that_was_killed_left_goes_with_the_next_and_nothing_else_does(person: Person) -> None:
    old, new, other = (
        person.home / name for name in (f"{command.HALF}a", f"{command.HALF}b", ".fish-archived")
    )
    for folder in (old, new, other):
        (folder / "fish").mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (1, 1))
    person.run("fish")
    assert sorted(path.name for path in person.home.iterdir() if path.is_dir()) == [
        other.name,
        new.name,
        "fish",
    ]
