"""Provisioning: our deploy on a new host against the bare package managers that fetch the same packages on another.

Both hosts are new instances of the same lab, configured by nothing but their first boot. What is installed is asked of
a host that our deploy has configured before.
The bare way is what a person would type: apt-get, pip for uv, uv for each locked environment, npm for its Node parts;
one after the other, with the same flags, and nothing else: no configuration, no users, no services. Ours is all of
`workbench deploy`.
"""

import shlex
import statistics
import subprocess
import time
from dataclasses import dataclass

from bench.results import keep, rounded, show, timed
from bench.workbench import Measured
from deploy import locks
from workbench import stack as stacks
from workbench import stackfile

ROUNDS = 2
FLAGS = {"python": "--system-site-packages"}  # as deploy/python.py makes it


@dataclass(frozen=True)
class Wanted:
    """What a configured host was given: names of Debian packages, and of locked environments in order."""

    packages: list[str]
    environments: list[str]


def measure(bench: Measured) -> None:
    """Both ways, turn by turn, each on a server of its own. The workbench is configured when this begins."""
    stackfile.set_value(stackfile.path_of(bench.stack), "configure", False)
    wanted = _learn(bench)
    ours, bare, services = [], [], []
    for _ in range(ROUNDS):
        _renew(bench)
        bare.append(timed(lambda: _run_on_host(bench, bare_script(wanted))))
        _renew(bench)
        ours.append(timed(bench.deploy))
        services.append(bench.seconds_of_services())
    measured = {"ours_s": statistics.median(ours), "bare_s": statistics.median(bare)}
    where = {name: statistics.median(each[name] for each in services) for name in services[0]}
    show("Provisioning", measured, measured["bare_s"], "bare")
    show("Where our time goes, by service", where, measured["ours_s"], "ours")
    ratio = round(measured["ours_s"] / measured["bare_s"], 2)
    keep("provisioning", {**rounded(measured), "ratio": ratio, "services_s": rounded(where)})


def bare_script(wanted: Wanted) -> str:
    """Shell that fetches and installs everything `wanted`, as root, and ends at the first failure."""
    lines = [
        "set -eu; export DEBIAN_FRONTEND=noninteractive UV_SYSTEM_CERTS=1 UV_NO_PROGRESS=1",
        "export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
        "cloud-init status --wait > /dev/null || true",
        "apt-get -q update",
        f"apt-get -q -y -o APT::Install-Recommends=false install {shlex.join(wanted.packages)}",
        "mkdir -p /opt/bare && cd /opt/bare",
    ]
    for name in wanted.environments:
        for file, content in locks.files(name).items():
            lines += [f"mkdir -p locks/{name}", f"cat > locks/{name}/{file} <<'EOF'\n{content.decode()}EOF"]
        lines += _install(name)
    return "\n".join(lines)


def _install(name: str) -> list[str]:
    requirements = f"--require-hashes -r locks/{name}/requirements.txt"
    if name == "uv":
        return ["python3 -m venv uv", f"uv/bin/pip install -q --no-cache-dir {requirements}"]
    lines = [
        f"uv/bin/uv venv -q --python /usr/bin/python3 {FLAGS.get(name, '')} {name}",
        f"uv/bin/uv pip install -q --compile-bytecode --python {name}/bin/python {requirements}",
    ]
    if "package-lock.json" in locks.files(name):
        quiet = "--silent --no-audit --no-fund --ignore-scripts --omit=dev"
        lines.append(f"PATH=$PWD/{name}/bin:$PATH npm ci --prefix locks/{name} {quiet}")
    return lines


def _learn(bench: Measured) -> Wanted:
    """What a new server has too little of: the packages that the configured one has beyond it."""
    configured = _chosen(bench)
    found = bench.ssh("find /opt/workbench -maxdepth 1 -type l -printf %f\\\\n").stdout.split()
    _renew(bench)
    return Wanted(sorted(configured - _chosen(bench)), [name for name in locks.NAMES if name in found])


def _chosen(bench: Measured) -> set[str]:
    return set(bench.ssh("apt-mark showmanual").stdout.split())


def _renew(bench: Measured) -> None:
    """Another server, whose disk knows nothing; the data volume stays."""
    bench.command("destroy", "--yes")
    bench.command("up", "--yes")
    while bench.ssh("true", check=False).returncode != 0:  # it has been started, and may still be booting
        time.sleep(0.5)


def _run_on_host(bench: Measured, script: str) -> None:
    """By way of standard input: the locks are longer than an argument may be."""
    command = [*stacks.ssh_command(bench.outputs), "sudo bash -s"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the bare way failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
