"""The inventory of the deploy, reached in other ways: by which connector, through which port, and how many times.

`pyinfra bench/inventory.py deploy/main.py`; the variables are those of the environment, as bench/*.py set them.
"""

import os as _os
import runpy as _runpy
from pathlib import Path as _Path

from connector.remembering import Remembering as _Remembering

_ROOT = _Path(__file__).resolve().parent.parent


def _hosts() -> list[tuple[str, dict[str, object]]]:
    ((name, data),) = _runpy.run_path(str(_ROOT / "deploy" / "inventory.py"))["hosts"]
    data = dict(data)
    port = _os.environ.get("WORKBENCH_BENCH_PORT")
    if port:
        known = _Path(str(data["ssh_known_hosts_file"]))
        far = known.with_name("bench")
        far.write_text(known.read_text().replace(str(data["ssh_hostname"]), f"[127.0.0.1]:{port}"))
        data |= {"ssh_hostname": "127.0.0.1", "ssh_port": int(port), "ssh_known_hosts_file": str(far)}
    connector = _os.environ.get("WORKBENCH_BENCH_CONNECTOR", "workbench")
    name = name.replace("@workbench/", f"@{connector}/")
    count = int(_os.environ.get("WORKBENCH_BENCH_HOSTS", "1"))
    if count == 1:
        return [(name, data)]
    # Stand-ins for so many hosts: the same one under several names, each with its own lock.
    _Remembering.lock = property(lambda self: f"/run/workbench/bench-{self.host.name}.lock")  # type: ignore[assignment]
    return [(f"{name}-{number}", data) for number in range(count)]


hosts = _hosts()
