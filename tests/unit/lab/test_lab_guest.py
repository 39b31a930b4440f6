"""What the lab runs inside its machines: shell that parses, links and database as udev makes them."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import guest, image

DEVICES = image.ROOTFS / "usr/lib/workbench-lab/devices.py"


def parses(script: list[str]) -> bool:
    return subprocess.run(["sh", "-n"], input="\n".join(script), text=True, check=False).returncode == 0


def test_the_shell_that_prepares_a_machine_parses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "extra.crt").write_text("a certificate")
    monkeypatch.setattr(guest, "CERTIFICATES", tmp_path)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128/a'b")
    script = guest.trust_script() + guest.registry_script() + guest.attach_script({"vol-1": 3, "vol-2": 4})
    script += [guest.own_file("/etc/hostname", "it's\n"), guest.own_hosts("ip-10-0-1-4")]
    assert parses(script)


def test_without_certificates_of_its_own_the_machine_tells_the_guest_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(guest, "CERTIFICATES", tmp_path)
    assert guest.trust_script() == []


def test_a_volume_is_linked_under_the_name_that_udev_gives_it() -> None:
    assert guest.by_id("vol-0123abc") == "nvme-Amazon_Elastic_Block_Store_vol0123abc"


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in for udev, working on a folder."""
    spec = importlib.util.spec_from_file_location("lab_devices", DEVICES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dev, run = tmp_path / "dev", tmp_path / "run"
    for name, path in (
        ("DEV", dev),
        ("DISK", dev / "disk"),
        ("DATABASE", run / "data"),
        ("TAG", run / "tags"),
    ):
        monkeypatch.setattr(module, name, path)
    for folder in ("by-id", "by-label", "by-uuid"):
        (dev / "disk" / folder).mkdir(parents=True)
    (run / "data").mkdir(parents=True)
    (run / "tags").mkdir()
    (dev / "nvme1n1").touch()
    (dev / "disk/by-id/nvme-Amazon_Elastic_Block_Store_vol1").symlink_to("../../nvme1n1")
    return module


def test_a_file_system_gets_its_links_and_its_device_unit(
    devices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        devices,
        "file_system",
        lambda _node: {"ID_FS_LABEL_ENC": "workbench-data", "ID_FS_UUID_ENC": "12-34", "ID_FS_TYPE": "ext4"},
    )
    assert devices.reconcile() is True
    assert (devices.DISK / "by-label/workbench-data").resolve() == devices.DEV / "nvme1n1"
    assert (devices.DISK / "by-uuid/12-34").resolve() == devices.DEV / "nvme1n1"
    (entry,) = devices.DATABASE.iterdir()
    lines = entry.read_text().splitlines()
    assert "S:disk/by-label/workbench-data" in lines
    assert "S:nvme1n1" in lines
    assert "G:systemd" in lines
    assert [tag.name for tag in devices.TAG.iterdir()] == [entry.name]
    assert devices.reconcile() is False, "nothing new to tell systemd"


def test_what_is_gone_leaves_neither_link_nor_unit(devices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "file_system", lambda _node: {"ID_FS_LABEL_ENC": "old"})
    devices.reconcile()
    monkeypatch.setattr(devices, "file_system", lambda _node: {})
    assert devices.reconcile() is True
    assert list((devices.DISK / "by-label").iterdir()) == []
    (devices.DEV / "nvme1n1").unlink()
    (devices.DISK / "by-id/nvme-Amazon_Elastic_Block_Store_vol1").unlink()
    assert devices.reconcile() is True
    assert list(devices.DATABASE.iterdir()) == list(devices.TAG.iterdir()) == []


def test_the_image_is_the_same_whatever_the_clones_modes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.digest()
    mode = DEVICES.stat().st_mode
    DEVICES.chmod(0o600)
    try:
        assert image.digest() == before
    finally:
        DEVICES.chmod(mode)
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "cowsay"))
    assert image.digest() != before
