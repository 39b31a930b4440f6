"""Provisioning: our deploy on a new host against the bare package managers that fetch the same packages on another.

Both hosts are new instances of the same lab, configured by nothing but their first boot. What is installed is asked of
a host that our deploy has configured, in a round that is not measured (it fills the registries' caches for both).
The bare way is what a person would type: apt-get, pip for uv, uv for each locked environment, npm for its Node parts;
one after the other, with the same flags, and nothing else: no configuration, no users, no services.
"""

import shlex
import statistics
import subprocess
from dataclasses import dataclass

from bench.timing import timed
from deploy import locks
from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Workbench, run
from workbench import stack as stacks

ROUNDS = 2
FLAGS = {"python": "--system-site-packages"}  # as deploy/python.py makes it


@dataclass(frozen=True)
class Wanted:
    """What a configured host was given: names of Debian packages, and of locked environments in order."""

    packages: list[str]
    environments: list[str]


def measure() -> dict[str, float]:
    """Seconds of both ways, the median of their rounds, and ours as a share of the bare one's."""
    with workbench_in_lab.lab():
        workbench_in_lab.write_stack_file(configure=False)
        run(["pulumi", "stack", "init", STACK])
        bench = Workbench()
        wanted = _learn(bench)
        ours, bare = [], []
        for _ in range(ROUNDS):
            _renew(bench)
            bare.append(timed(lambda: _run_on_host(bench, bare_script(wanted))))
            _renew(bench)
            ours.append(timed(lambda: _configure(bench)))
    seconds = {"ours_s": statistics.median(ours), "bare_s": statistics.median(bare)}
    return {**seconds, "ratio": seconds["ours_s"] / seconds["bare_s"]}


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


def _learn(bench: Workbench) -> Wanted:
    bench.command("up", "--yes")
    before = set(bench.ssh("apt-mark showmanual").stdout.split())
    _configure(bench)
    packages = sorted(set(bench.ssh("apt-mark showmanual").stdout.split()) - before)
    found = bench.ssh("ls /etc/workbench/locks").stdout.split()
    return Wanted(packages, [name for name in locks.NAMES if name in found])


def _renew(bench: Workbench) -> None:
    """Another server, whose disk knows nothing; the data volume stays."""
    bench.command("destroy", "--yes")
    bench.command("up", "--yes")


def _configure(bench: Workbench) -> None:
    applied = bench.apply()
    if applied.status != 0:
        raise RuntimeError(f"the deploy failed:\n{applied.output}")


def _run_on_host(bench: Workbench, script: str) -> None:
    """By way of standard input: the locks are longer than an argument may be."""
    command = [*stacks.ssh_command(bench.context.outputs), "sudo bash -s"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the bare way failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
