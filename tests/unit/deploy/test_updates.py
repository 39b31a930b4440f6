"""What a server from an image makes up for: begun with once it is configured, and until it is done."""

import subprocess
from pathlib import Path

import pytest

from deploy import updates
from workbench_host.image import program


def commands(monkeypatch: pytest.MonkeyPatch, waiting: bool) -> list[str]:
    class State:
        def get_fact(self, fact: type) -> bool:
            assert fact is updates.Waiting
            return waiting

        def noop(self, _: str) -> None:
            pass

    monkeypatch.setattr(updates, "host", State())
    return [str(command) for command in updates.begin._inner()]


def test_it_is_begun_with_in_a_unit_of_its_own_behind_what_people_compute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (command,) = commands(monkeypatch, waiting=True)
    assert command.startswith("systemd-run --quiet --collect -p Nice=10 ")
    assert command.endswith("--unit=workbench-updates.service /usr/local/lib/workbench/host/bin/image update")
    assert commands(monkeypatch, waiting=False) == []


@pytest.mark.parametrize(("baked", "at_work", "said"), [(True, 1, True), (True, 0, False), (False, 1, False)])
def test_it_waits_where_the_mark_of_an_image_is_and_nothing_is_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baked: bool, at_work: int, said: bool
) -> None:
    mark, systemctl = tmp_path / "baked", tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\nexit {at_work}\n")
    systemctl.chmod(0o755)
    if baked:
        mark.touch()
    monkeypatch.setattr(updates, "BAKED", str(mark))
    fact = updates.Waiting()
    done = subprocess.run(
        ["/bin/sh", "-c", fact.command()],
        env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert fact.process(done.stdout.splitlines()) is said


@pytest.mark.parametrize("status", [0, 1])
def test_the_mark_goes_only_once_the_fixes_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    mark, ran = tmp_path / "baked", tmp_path / "ran"
    mark.touch()
    for name in ("apt-get", "unattended-upgrade"):
        tool = tmp_path / name
        end = status if name == "unattended-upgrade" else 0
        tool.write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit {end}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(program, "BAKED", str(mark))
    assert program.main(["update"]) == status
    assert ran.read_text().split() == ["apt-get", "unattended-upgrade"]
    assert mark.exists() == bool(status)
