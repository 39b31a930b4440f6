"""The data volume comes to its places: it is waited for, and fstab names them."""

import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.unit.host.volume_file import ID
from workbench_host.volume import content
from workbench_host.volume import program as volume

pytestmark = needs("findmnt")


def test_a_volume_that_does_not_appear_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "WAIT_SECONDS", 0)
    with pytest.raises(content.Refusal, match=rf"{ID} did not appear within 0 s as /dev/nothing; attach it"):
        volume.wait_for("/dev/nothing", ID)


def test_fstab_keeps_what_it_had_and_has_our_lines_once() -> None:
    before = "# by hand\nUUID=1 / ext4 defaults 0 1\n\ntmpfs /tmp tmpfs defaults 0 0\n"
    text = volume.fstab_text(before)
    assert text.startswith(before)
    assert volume.fstab_text(text) == text
    changed = text.replace("nodev,", "")
    assert volume.fstab_text(changed) == text


def test_what_fstab_says_of_the_volume_is_valid_and_lets_a_boot_go_on_without_it(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text(volume.fstab_text(""))
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [line[:2] for line in lines] == [
        ["LABEL=workbench-data", "/srv/workbench"],
        ["LABEL=workbench-data", "/home"],
    ]
    for line in lines:
        assert len(line) == 6
        assert {"nofail", "nodev", "nosuid"} <= set(line[3].split(","))
    assert "X-mount.subdir=home" in lines[1][3].split(",")
    done = subprocess.run(
        ["findmnt", "--verify", "--tab-file", str(path)], capture_output=True, text=True, check=False
    )
    # It complains of a volume that this machine does not have, unless a lab beside the test does.
    assert "0 parse errors" in done.stdout + done.stderr or done.returncode == 0


def test_a_rival_for_the_homes_in_fstab_is_refused() -> None:
    with pytest.raises(content.Refusal, match="mounts /dev/sdb on /home"):
        volume.fstab_text("/dev/sdb /home ext4 defaults 0 2\n")
