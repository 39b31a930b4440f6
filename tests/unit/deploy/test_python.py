"""The kernel and the shell profile of the data science environment, read as their readers read them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import python, uv
from deploy.files import render
from tests.needs import needs
from workbench.config import parse
from workbench_host.team.places import DEFAULT_TITLE


def test_the_kernel_runs_from_the_environments_own_folder_so_that_an_update_does_not_touch_it() -> None:
    kernel = json.loads(render("python/kernel.json.j2", environment=uv.folder("python"), title=DEFAULT_TITLE))
    assert kernel["argv"][0] == f"{uv.folder('python')}/bin/python"
    assert kernel["argv"][-2:] == ["-f", "{connection_file}"]
    assert kernel["display_name"] == "Python 3 (data science)"


@needs("dash")
@pytest.mark.parametrize(("uid", "first"), [("2000", python.BIN), ("0", "/usr/bin")])
def test_the_profile_puts_the_environment_first_for_people_and_not_for_root(
    tmp_path: Path, uid: str, first: str
) -> None:
    profile = tmp_path / "profile.sh"
    profile.write_text(render("python/workbench-python.sh.j2", bin=python.BIN))
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {uid}\n")
    (tmp_path / "id").chmod(0o755)
    script = f'PATH="/usr/bin:$PATH"; id() {{ {tmp_path}/id; }}; . {profile}; echo "$PATH"'
    said = subprocess.run(["dash", "-euc", script], capture_output=True, text=True, check=True).stdout
    assert said.split(":")[0] == first


def path_of(folder: Path, uid: str, *, given: str | None) -> str:
    """What a user's systemd makes of the generator's output; with this PATH of its own, or with none."""
    (folder / "generator").write_text(render("python/environment-generator.j2", bin=python.BIN))
    (folder / "id").write_text(f"#!/bin/sh\necho {uid}\n")
    (folder / "id").chmod(0o755)
    script = f"id() {{ {folder}/id; }}; {f'PATH={given}' if given else 'unset PATH'}; . {folder}/generator"
    return subprocess.run(["/bin/dash", "-euc", script], capture_output=True, text=True, check=True).stdout


@needs("dash")
def test_units_of_users_own_have_the_environment_first_and_roots_have_not(tmp_path: Path) -> None:
    assert path_of(tmp_path, "2000", given="/usr/bin") == f"PATH={python.BIN}:/usr/bin\n"
    assert path_of(tmp_path, "2000", given=None) == f"PATH={python.BIN}:/usr/local/bin:/usr/bin:/bin\n"
    assert path_of(tmp_path, "0", given="/usr/bin") == ""


def test_the_default_environment_may_be_one_of_the_teams(config: dict[str, Any]) -> None:
    assert python.environments(parse(config)) == (python.ENVIRONMENT,)
    own = {"name": "python", "python": "3.13", "requirements": "ours.txt"}
    settings = parse({**config, "workbench:environments": [own]})
    assert python.environments(settings) == ()
    assert python.is_the_teams(settings)


def test_the_path_without_a_login_shell_is_the_one_of_debians_profile_after_the_environment() -> None:
    first, *others = python.PATH.split(":")
    assert first == python.BIN
    assert others == ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/games", "/usr/games"]
