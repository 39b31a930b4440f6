"""The inventory of the deploy, reached in other ways: by which connector, and through which port of 127.0.0.1.

`pyinfra bench/inventory.py deploy/main.py`; bench/noop.py sets the variables.
"""

import os as _os
import runpy as _runpy
from pathlib import Path as _Path

_ROOT = _Path(__file__).resolve().parent.parent


def _host() -> tuple[str, dict[str, object]]:
    ((name, data),) = _runpy.run_path(str(_ROOT / "deploy" / "inventory.py"))["hosts"]
    data = dict(data)
    port = _os.environ.get("WORKBENCH_BENCH_PORT")
    if port:
        known = _Path(str(data["ssh_known_hosts_file"]))
        address = str(data["ssh_hostname"])
        far = known.with_name("known_hosts.bench")
        far.write_text(known.read_text().replace(address, f"[127.0.0.1]:{port}"))
        data |= {"ssh_hostname": "127.0.0.1", "ssh_port": int(port), "ssh_known_hosts_file": str(far)}
    connector = _os.environ.get("WORKBENCH_BENCH_CONNECTOR", "workbench")
    return name.replace("@workbench/", f"@{connector}/"), data


hosts = [_host()]
