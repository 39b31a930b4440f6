"""The proxy's units, rendered and given to systemd."""

import subprocess
from pathlib import Path

from deploy import proxy
from deploy.files import render
from tests.needs import needs


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in (proxy.UNIT, proxy.RELOAD_UNIT, proxy.AUTHORITY_UNIT)]
    for path in paths:
        text = render(
            f"proxy/{path.name}.j2",
            program="/bin/true",
            account=proxy.USER,
            config=proxy.CONFIG,
            state=proxy.STATE,
            admin=proxy.ADMIN,
            ca=proxy.CA,
            authority="/bin/true",
        )
        path.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    ).stderr
    ours = [line for line in said.splitlines() if "caddy" in line or "authority" in line]
    assert [line for line in ours if "documentation" not in line.lower()] == []
