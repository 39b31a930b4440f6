"""How the Pulumi CLI comes to a machine. Every command is a stand-in."""

import fcntl
import os
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from tests.unit.tools.machine import TOOLS, Machine, script
from workbench import ROOT


@pytest.mark.parametrize("version", ["v3.260.0", "v3.261.2", "v4.0.0"])
def test_the_machines_own_is_used_where_it_is_new_enough_and_ours_goes(
    machine: Machine, version: str
) -> None:
    machine.has(version)
    ours = [script(machine.venv / name) for name in ("pulumi", "pulumi-language-python")]
    gone = machine.brings(downloads=True)
    machine.install.main()
    assert gone == []
    assert not any(path.exists() for path in ours)


@pytest.mark.parametrize(
    ("version", "host"),
    [("v3.259.9", True), ("v3.260.0", False), ("", True), ("no version", True), ("v3.260.0-alpha.1", True)],
    ids=["too old", "no host for Python", "says nothing", "says nonsense", "not released"],
)
def test_one_that_will_not_do_is_left_alone_and_ours_is_brought(
    machine: Machine, version: str, host: bool
) -> None:
    machine.has(version, host)
    machine.brings(downloads=True)
    machine.install.main()
    assert "v3." in (machine.venv / "pulumi").read_text()
    assert (machine.bin / "pulumi").exists()


def test_a_host_beside_the_file_that_a_link_leads_to_will_do(machine: Machine) -> None:
    real = script(machine.folder / "opt" / "pulumi" / "pulumi", f"echo v{machine.wanted}")
    script(real.with_name("pulumi-language-python"))
    machine.bin.mkdir(parents=True)
    (machine.bin / "pulumi").symlink_to(real)
    assert machine.install.on_the_path(machine.wanted) == machine.wanted


def test_the_one_of_another_clones_environment_is_not_the_machines(machine: Machine) -> None:
    other = machine.folder / "clone" / ".venv"
    script(other / "bin" / "pulumi", f"echo v{machine.wanted}")
    script(other / "bin" / "pulumi-language-python")
    (other / "pyvenv.cfg").touch()
    machine.monkeypatch.setenv("PATH", f"{other / 'bin'}{os.pathsep}{machine.bin}")
    assert machine.install.on_the_path(machine.wanted) is None


def test_ours_is_not_taken_for_the_machines_by_another_name_of_its_folder(machine: Machine) -> None:
    script(machine.venv / "pulumi", f"echo v{machine.wanted}")
    script(machine.venv / "pulumi-language-python")
    (machine.folder / "link").symlink_to(machine.folder)
    machine.monkeypatch.setenv("PATH", str(machine.folder / "link" / ".venv" / "bin"))
    assert machine.install.on_the_path(machine.wanted) is None


def test_it_is_brought_once_for_all_clones(machine: Machine) -> None:
    gone = machine.brings(downloads=False)
    machine.install.main()
    machine.install.main()
    assert gone == ["download", "build"]
    kept, linked = machine.kept / "bin" / "pulumi", machine.venv / "pulumi"
    assert kept.samefile(linked)
    assert not linked.is_symlink()


@pytest.mark.parametrize("which", ["workbench", "pulumi"])
@pytest.mark.parametrize("how", ["another user's", "a link", "for all to write"])
def test_a_cache_folder_that_another_user_prepared_is_not_used(
    machine: Machine, which: str, how: str
) -> None:
    """XDG_CACHE_HOME may be shared, and HOME may be /tmp: what lies there is run as this user."""
    folder = machine.kept if which == "pulumi" else machine.kept.parent
    folder.parent.mkdir(parents=True)
    if how == "a link":
        (machine.folder / "theirs").mkdir()
        folder.symlink_to(machine.folder / "theirs")
    else:
        folder.mkdir()
    script(machine.kept / "bin" / "pulumi", "echo theirs")
    if how == "for all to write":
        folder.chmod(0o777)
    if how == "another user's":
        machine.monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    machine.brings(downloads=True)
    with pytest.raises(SystemExit, match="not a folder of this user's alone"):
        machine.install.main()
    assert not (machine.venv / "pulumi").exists()


def test_where_no_hard_link_can_be_it_is_copied(machine: Machine) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    machine.monkeypatch.setattr(Path, "hardlink_to", refuse)
    machine.brings(downloads=True)
    machine.install.main()
    done = subprocess.run([machine.venv / "pulumi"], capture_output=True, text=True, check=True)
    assert done.stdout == f"v{machine.wanted}\n"


def test_the_stand_in_for_the_host_is_put_beside_ours_where_it_has_none(machine: Machine) -> None:
    machine.brings(downloads=False)
    machine.install.main()
    host = (machine.venv / "pulumi-language-python").read_text()
    assert f'exec "{sys.executable}" "{TOOLS / "language_host.py"}" "$@"' in host
    assert "pulumi.dynamic" in (machine.venv / "pulumi-resource-pulumi-python").read_text()


def test_the_official_host_replaces_the_stand_in(machine: Machine) -> None:
    script(machine.venv / "pulumi-language-python", "echo the stand-in")
    machine.brings(downloads=True, host=True)
    machine.install.main()
    assert "the official one" in (machine.venv / "pulumi-language-python").read_text()


@pytest.mark.parametrize("killed_at", ["bin/pulumi", "bin/pulumi-language-python"])
def test_a_killed_download_is_not_taken_for_the_whole(machine: Machine, killed_at: str) -> None:
    script(machine.kept / "fresh" / killed_at, "echo half")
    gone = machine.brings(downloads=True)
    machine.install.main()
    assert gone == ["download"]
    assert "half" not in (machine.venv / "pulumi").read_text()
    assert not (machine.kept / "fresh").exists()


def test_an_installer_that_fails_half_way_leaves_the_way_to_a_build(machine: Machine) -> None:
    machine.brings(downloads=True)

    def half(root: str, version: Any) -> None:
        script(Path(root) / "bin" / "pulumi", "echo half")
        raise subprocess.CalledProcessError(1, "install.sh")

    machine.monkeypatch.setattr(machine.install.PulumiCommand, "install", half)
    machine.install.main()
    assert "built" in (machine.venv / "pulumi").read_text()


def test_a_second_setup_waits_for_the_first(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.kept.mkdir(parents=True)
    inside = threading.Event()

    def second() -> None:
        with machine.install.alone(machine.kept):
            inside.set()

    with (machine.kept / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=second)
        thread.start()
        assert not inside.wait(0.3)
        fcntl.flock(held, fcntl.LOCK_UN)
        thread.join(10)
    assert inside.is_set()
    assert "Another setup" in capsys.readouterr().err


def test_go_mod_pulumi_yaml_and_pyproject_agree_about_the_version(install: ModuleType) -> None:
    built = str(install.required("github.com/pulumi/pulumi/pkg/v3"))
    project = YAML(typ="safe").load(ROOT / "Pulumi.yaml")
    assert project["requiredPulumiVersion"] == f">={built}"
    assert install.required("github.com/pulumi/pulumi/sdk/v3") == install.required(
        "github.com/pulumi/pulumi/pkg/v3"
    )
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (sdk,) = (item for item in dependencies if re.match(r"pulumi\W", item) and not item.startswith("pulumi-"))
    assert built in SpecifierSet(sdk.removeprefix("pulumi"))
