"""Pictures of kernels: which are missing, as the host's shell finds out."""

import subprocess
from pathlib import Path

from deploy.logos import Missing


def test_only_pictures_that_differ_are_copied_and_only_where_kernel_and_package_are(tmp_path: Path) -> None:
    logos = {str(tmp_path / name / "logo-svg.svg"): str(tmp_path / f"{name} s.svg") for name in "abcd"}
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.json").touch()
    for name in "abd":
        (tmp_path / f"{name} s.svg").write_text("picture")
    (tmp_path / "a/logo-svg.svg").write_text("picture")
    (tmp_path / "b/logo-svg.svg").write_text("another")
    said = subprocess.run(
        ["sh", "-euc", Missing().command(logos)], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [str(tmp_path / "b/logo-svg.svg")]
