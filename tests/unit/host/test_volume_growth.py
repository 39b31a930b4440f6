"""The data volume's filesystem grows with the volume."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.volume_file import ID, MIB, NEEDED, decide
from workbench_host.volume import content
from workbench_host.volume import program as volume

pytestmark = NEEDED


def test_growth_is_seen_from_a_quarter_of_a_percent_on_and_ends(device: str) -> None:
    volume.make(device, ID)
    assert not volume.can_grow(device)
    with open(device, "r+b") as file:  # noqa: PTH123
        file.truncate(192 * MIB)
    assert volume.can_grow(device)
    volume.check(device, "-f", "-p")
    volume.grow(device)
    assert not volume.can_grow(device)
    assert decide(device) == "use"


@pytest.mark.parametrize("in_use", [True, False])
def test_it_grows_in_use_where_the_kernel_lets_it_and_else_before_it_is_mounted(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_use: bool
) -> None:
    """On files mounting is only noted."""
    volume.make(device, ID)
    with open(device, "r+b") as file:  # noqa: PTH123
        file.truncate(192 * MIB)
    done = []

    def run(*command: str, **options: Any) -> str:
        done.append(command[0])
        return "" if command[0] in ("mount", "systemctl") else str(content.run(*command, **options))

    monkeypatch.setattr(volume, "run", run)
    monkeypatch.setattr(volume, "may_grow_mounted", lambda: in_use)
    monkeypatch.setattr(volume.points, "make", lambda path: None)
    for name, path in (("MOUNT", "srv"), ("HOMES", "srv/home"), ("HOME", "home")):
        monkeypatch.setattr(volume, name, str(tmp_path / path))
    volume.mount(device)
    assert done == [*([] if in_use else ["resize2fs"]), "mount", "systemctl", "mount"]
    assert volume.can_grow(device) is in_use


DENIED = "`resize2fs /dev/volume` failed with status 1: resize2fs 1.47.2\nresize2fs: Permission denied"


@pytest.mark.parametrize(
    ("mounted", "capable", "judged"),
    [
        (
            True,
            False,
            r"let its filesystem grow in use \(resize2fs: Permission denied\): .* CAP_SYS_RESOURCE",
        ),
        (True, True, "^`resize2fs"),
        (False, False, "^`resize2fs"),
    ],
)
def test_growth_that_the_kernel_refuses_in_use_interrupts_nobody_and_says_what_would(
    device: str, monkeypatch: pytest.MonkeyPatch, mounted: bool, capable: bool, judged: str
) -> None:
    """What else resize2fs fails with is told as it is."""

    def run(*command: str) -> str:
        assert command[0] == "resize2fs", "nothing but the attempt"
        raise content.FailureError(DENIED)

    monkeypatch.setattr(volume, "run", run)
    monkeypatch.setattr(volume, "may_grow_mounted", lambda: capable)
    monkeypatch.setattr(volume, "MOUNT", "/" if mounted else "/nothing")
    with pytest.raises(content.FailureError, match=judged) as refusal:
        volume.grow(device)
    assert "damaged" not in str(refusal.value)
    assert (volume.FREE in str(refusal.value)) == (mounted and not capable)
