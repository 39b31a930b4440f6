"""The files of the team's environments: judged offline, with the stack file's line and their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PUBLIC_KEY
from workbench import stackfile, team
from workbench.errors import WorkbenchError
from workbench.settings import Environment

STACK = f"""\
config:
  aws:region: eu-west-1
  workbench:size: t3.large
  workbench:zone: eu-west-1a
  workbench:sshFrom: [203.0.113.7/32]
  workbench:adminSshKeys:
    - {PUBLIC_KEY}
  workbench:environments:
    - name: geo
      python: "3.13"
      requirements: geo.txt
    - {{name: stats, r: "4.5", packages: [tiny]}}
"""
HASH = "a" * 64
PINS = f"six==1.17.0 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{'b' * 64}\n"
RENV: dict[str, Any] = {
    "R": {"Version": "4.5", "Repositories": [{"Name": "CRAN", "URL": "https://cran.example"}]},
    "Packages": {
        "tiny": {
            "Package": "tiny",
            "Version": "1.0",
            "Source": "Repository",
            "File": "src/contrib/tiny_1.0.tar.gz",
            "Sha256": HASH,
        }
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack file with an environment of each language, whose locks fit."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(STACK)
    (tmp_path / "geo.txt").write_text("six\n")
    geo, stats = stackfile.settings_of(path).environments
    team.folder(path).mkdir()
    team.path_of(path, geo).write_text(team.header(geo, "six\n") + PINS)
    made = {team.WORKBENCH: {"From": team.sha256_of(team.source_of(path, stats)), "R": "4.5"}}
    team.path_of(path, stats).write_text(json.dumps({**RENV, **made}))
    return path


def said_of(file: Path) -> str:
    with pytest.raises(WorkbenchError) as caught:
        stackfile.check(file)
    return str(caught.value)


def test_locks_that_fit_are_fine_and_are_found_where_a_link_to_the_stack_file_leads(
    file: Path, tmp_path: Path
) -> None:
    assert stackfile.check(file).notes == []
    (tmp_path / "checkout").mkdir()
    link = tmp_path / "checkout" / "Pulumi.dev.yaml"
    link.symlink_to(file)
    assert stackfile.check(link).notes == []
    assert team.folder(link) == tmp_path / "Pulumi.dev.locks"
    assert team.locks(link, stackfile.settings_of(link))[0].text.endswith(PINS)


def test_an_environment_without_a_lock_is_told_with_the_line_and_the_command(file: Path) -> None:
    (team.folder(file) / "geo.txt").unlink()
    (team.folder(file) / "stats.json").unlink()
    assert said_of(file).splitlines() == [
        "Pulumi.dev.yaml, line 9: workbench:environments[0] has no lock (Pulumi.dev.locks/geo.txt); `workbench lock` "
        "makes it, and it is kept beside the stack file.",
        "Pulumi.dev.yaml, line 12: workbench:environments[1] has no lock (Pulumi.dev.locks/stats.json); `workbench "
        "lock` makes it, and it is kept beside the stack file.",
    ]


def test_a_missing_file_is_told_with_its_key_and_line(file: Path, tmp_path: Path) -> None:
    (tmp_path / "geo.txt").unlink()
    assert said_of(file) == (
        "Pulumi.dev.yaml, line 11: workbench:environments[0].requirements is geo.txt, which does not exist in "
        f"{tmp_path}; takes the path of a file there."
    )
    (tmp_path / "geo.txt").mkdir()
    assert "requirements is geo.txt, which cannot be read (Is a directory)" in said_of(file)
    (tmp_path / "geo.txt").rmdir()
    (tmp_path / "geo.txt").write_bytes(b"\xff\xfe")
    assert "requirements is geo.txt, which is no text in UTF-8" in said_of(file)


def test_a_lock_that_does_not_fit_its_file_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "geo.txt").write_text("six\nnumpy\n")
    assert said_of(file) == (
        "Pulumi.dev.yaml, line 9: workbench:environments[0] has the lock Pulumi.dev.locks/geo.txt, which does not fit "
        "geo.txt; `workbench lock` makes it again."
    )
    (tmp_path / "geo.txt").write_text("six\n")
    file.write_text(STACK.replace('"3.13"', '"3.12"').replace("[tiny]", "[tiny, large]"))
    first, second = said_of(file).splitlines()
    assert (
        "geo.txt, which was made for Python 3.13, not Python 3.12; `workbench lock` makes it again" in first
    )
    assert "stats.json, which does not fit the packages of the stack file" in second


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "-e .",
        "six==1.17.0 ; x \\ --find-links .",
        "six @ file:///tmp/six.whl",
        "six",
        "    --hash=md5:aaaa",
    ],
)
def test_a_lock_that_was_changed_by_hand_to_something_else_is_told(file: Path, line: str) -> None:
    with (team.folder(file) / "geo.txt").open("a") as lock:
        lock.write(f"{line}\n")
    assert "geo.txt, whose line 5 is no version with its hashes" in said_of(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-e .", "line 2 has the option -e: a lock takes packages alone"),
        ("-r other.txt", "line 2 has the option -r"),
        ("--index-url https://me:secret@pypi.example/simple", "line 2 has the option --index-url"),
        ("--extra-index-url=https://me:secret@x/simple", "line 2 has the option --extra-index-url: a lock"),
        ("./folder", "line 2 does not begin with the name of a package"),
        ("/opt/wheel.whl", "line 2 does not begin with the name of a package"),
        ("file:///opt/wheel.whl", "line 2 does not begin with the name of a package"),
        ("git+https://example.org/x", "line 2 does not begin with the name of a package"),
        ("https://example.org/x.whl", "line 2 does not begin with the name of a package"),
        ("x @ file:///opt/x.whl", "line 2 names an address that is none of an archive on https"),
        ("x @ git+https://example.org/x", "line 2 names an address that is none of an archive"),
        ("x @ http://example.org/x.whl", "line 2 names an address that is none of an archive"),
        ("x @ https://me:secret@example.org/x.whl", "line 2 names an address that is none of an archive"),
        ("x @ https://$TOKEN/x.whl", "line 2 names an address that is none of an archive"),
        ("numpy \\\n  --global-option=x", "line 2 has the option --global-option"),
        ("numpy \\\n  ; python_version > '3'\n-e .", "line 4 has the option -e"),
    ],
)
def test_requirements_that_cannot_be_locked_are_told_with_their_line_and_no_secret(
    file: Path, tmp_path: Path, line: str, words: str
) -> None:
    (tmp_path / "geo.txt").write_text(f"# ours\n{line}\n")
    said = said_of(file)
    assert said.startswith(
        "Pulumi.dev.yaml, line 11: workbench:environments[0].requirements is geo.txt, whose "
    )
    assert words in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "pandas[excel]>=2,<3 ; python_version < '3.14'  # why",
        "zope.interface ~= 7.0",
        "torch @ https://download.example.org/torch-2.whl#sha256=abc",
        "numpy \\\n    --hash=sha256:abc",
        "",
    ],
)
def test_requirements_as_pip_takes_them_are_fine(line: str) -> None:
    assert team.unfit_line(f"# ours\n{line}\n") is None


def test_of_a_renv_lock_only_packages_of_a_repository_are_taken(file: Path, tmp_path: Path) -> None:
    file.write_text(STACK.replace("packages: [tiny]", "renvLock: renv.lock"))
    (tmp_path / "renv.lock").write_text("{}")
    assert "environments[1].renvLock is renv.lock, which is no renv.lock." in said_of(file)
    packages = {"mine": {"Package": "mine", "Version": "0.1", "Source": "GitHub"}}
    (tmp_path / "renv.lock").write_text(json.dumps({"R": {}, "Packages": packages}))
    assert (
        "renv.lock, in which mine comes from GitHub; takes packages of a repository (CRAN) alone."
        in said_of(file)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"File": "src/contrib/../../../etc/x.tar.gz"},
        {"File": "/etc/passwd"},
        {"Sha256": "no"},
        {"Version": "1;rm"},
        {"Package": "other"},
    ],
)
def test_a_lock_of_r_holds_nothing_that_a_path_or_a_command_could_be_made_of(
    file: Path, change: dict[str, str]
) -> None:
    path = team.folder(file) / "stats.json"
    whole = json.loads(path.read_text())
    whole["Packages"]["tiny"] |= change
    path.write_text(json.dumps(whole))
    assert "whose package tiny has no version, file and sha256 as there have to be" in said_of(file)


@pytest.mark.parametrize(
    "of_r",
    [
        None,
        [],
        {"Version": "4.5"},
        {**RENV["R"], "Version": "4.4"},
        {**RENV["R"], "Repositories": []},
        {**RENV["R"], "Repositories": [{"URL": "https://a.example"}, {"URL": "https://b.example"}]},
        *(
            {**RENV["R"], "Repositories": [{"Name": "CRAN", "URL": url}]}
            for url in ("file:///etc", "https://me:secret@a.example", "https://", "https://a.example/ b", 4)
        ),
    ],
)
def test_a_lock_of_r_names_its_version_and_one_repository_that_can_be_asked(file: Path, of_r: object) -> None:
    path = team.folder(file) / "stats.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "R": of_r}))
    assert "whose part R has not its version and the address of one repository" in said_of(file)


def test_a_lock_of_r_without_packages_by_name_is_told(file: Path) -> None:
    path = team.folder(file) / "stats.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "Packages": ["tiny"]}))
    assert "whose part Packages is no list of packages by name" in said_of(file)


def test_the_digest_is_that_of_the_packages_and_not_of_words_about_them() -> None:
    one = Environment.model_validate({"name": "geo", "python": "3.13", "requirements": "geo.txt"})
    other = Environment.model_validate({"name": "geo", "python": "3.12", "requirements": "geo.txt"})
    before = team.Lock(one, team.header(one, "six\n") + PINS).digest
    assert team.Lock(one, team.header(one, "# words\nsix\n") + PINS).digest == before
    assert team.Lock(one, team.header(one, "six\n") + PINS.replace("1.17", "1.16")).digest != before
    assert team.Lock(other, team.header(other, "six\n") + PINS).digest != before


def test_what_decides_about_a_deploy_changes_with_any_lock(file: Path) -> None:
    settings = stackfile.settings_of(file)
    before = team.digest(file, settings)
    assert team.digest(file, settings) == before
    (team.folder(file) / "geo.txt").write_text("other")
    assert team.digest(file, settings) != before


def test_what_else_is_in_the_folder_of_locks_decides_nothing(file: Path) -> None:
    settings = stackfile.settings_of(file)
    before = team.digest(file, settings)
    (team.folder(file) / "drafts").mkdir()
    (team.folder(file) / ".geo.txt.new").write_text("of a run that was killed")
    (team.folder(file) / "gone.txt").write_text("of an environment that is no longer listed")
    assert team.digest(file, settings) == before
    team.path_of(file, settings.environments[0]).unlink()
    assert team.digest(file, settings) != before
