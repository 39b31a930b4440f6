"""The data volume's count of disk by user."""

from pathlib import Path

import pytest

from tests.unit.host.volume_file import ID, NEEDED
from workbench_host.volume import content
from workbench_host.volume import program as volume

pytestmark = NEEDED


def test_the_count_of_disk_by_user_comes_and_goes_with_the_kernels_support(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench_host.volume import quota

    volume.make(device, ID)
    for supported, has in ((False, False), (True, True), (True, True), (False, False)):
        monkeypatch.setattr(quota, "supported", lambda answer=supported: answer)
        quota.prepare(device)
        fields = content.superblock(device)
        assert ("quota" in fields["Filesystem features"].split()) is has
        assert (fields.get("Mount options") == "usrquota") is has
        volume.check(device, "-f", "-p")


@pytest.mark.parametrize(
    ("config", "module", "is_supported"),
    [
        ("CONFIG_QFMT_V2=y\n", False, True),
        ("CONFIG_QFMT_V2=m\n", True, True),
        ("CONFIG_QFMT_V2=m\n", False, False),
        ("# CONFIG_QFMT_V2 is not set\n", True, False),
        (None, True, False),
    ],
)
def test_a_kernel_keeps_quotas_when_it_says_so_and_has_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, module: bool, is_supported: bool
) -> None:
    from workbench_host.volume import quota

    monkeypatch.setattr(quota, "CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(quota, "MODULES", str(tmp_path / "quota_v2.ko*"))
    if config is not None:
        (tmp_path / "config").write_text(config)
    if module:
        (tmp_path / "quota_v2.ko.xz").touch()
    assert quota.supported() is is_supported
