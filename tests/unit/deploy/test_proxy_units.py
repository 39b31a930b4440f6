"""The proxy's units, rendered and given to systemd."""

import subprocess
from pathlib import Path

from deploy import proxy
from deploy.files import render
from tests.needs import needs


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    names = (proxy.UNIT, proxy.RELOAD_UNIT, proxy.AUTHORITY_UNIT, proxy.MISSING_UNIT, proxy.SPARE_UNIT)
    paths = [tmp_path / name for name in names]
    for path in paths:
        there = {"program": "/bin/true", "authority": "/bin/true", "certificate": "/bin/true"}
        text = render(f"proxy/{path.name}.j2", **{**proxy.unit_variables(path.name), **there})
        path.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    ).stderr
    ours = [line for line in said.splitlines() if any(path.stem in line for path in paths)]
    assert [line for line in ours if "documentation" not in line.lower()] == []
