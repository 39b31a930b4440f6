"""What others' programs say of a workbench's safety: ssh-audit, testssl.sh, systemd-analyze security, lynis.

ssh-audit is of uv.lock and runs here; the other two are Debian's, of a fixed version, and run on the host, which is
thrown away with the lab. What each says is kept; docs/security.md, "What the judges say", answers it.
"""

import json
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import environment
from bench.results import keep
from bench.workbench import Measured
from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench, run
from workbench.host import program_path
from workbench_host.checkup import units

LYNIS, TESTSSL = "3.1.4-1", "3.2.1+dfsg-1"
SERIOUS = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
FOLDER = "/root/judges"
WAIT_SECONDS = 120

Verdict = dict[str, Any]


def measure(bench: Measured) -> None:
    """All judges, on a workbench on which somebody is at work."""
    with Visitor(bench.url, bench.ca) as visitor:
        visitor.login("ada", bench.password("ada"))
        visitor.spawn()
        found = judged(bench)
    for name, verdict in found.items():
        show(name, verdict)
    keep("judges", found)


def judged(bench: Workbench) -> dict[str, Verdict]:
    """What each says. ssh-audit is the last: sshd lets nobody in for a while from where so many did not log in."""
    return {
        "exposure": exposure(bench),
        "lynis": lynis(bench),
        "testssl": testssl(bench),
        "ssh_audit": ssh_audit(bench),
    }


def exposure(bench: Workbench) -> Verdict:
    """{unit: exposure, 0 to 10} of each service of ours, and of users' servers, which are no file of the deploy's."""
    ours: dict[str, float] = json.loads(bench.ssh(program_path("doctor")).stdout)["units"]["exposure"]
    analyse = "systemctl list-units --plain --no-legend 'jupyter-*.service' | cut -d' ' -f1"
    servers = bench.ssh(f"systemd-analyze security --no-pager $({analyse})").stdout
    return dict(sorted({**ours, **units.exposures(servers)}.items()))


def lynis(bench: Workbench) -> Verdict:
    """{version, index, warnings, suggestions}; the latter two are {id: [what it says, ...]}."""
    _install(bench, "lynis", LYNIS)
    said = f"{FOLDER}/lynis.dat"
    audit = ["lynis", "audit", "system", "--quick", "--quiet", "--no-colors", "--report-file", said]
    bench.ssh(f"{shlex.join([*audit, '--log-file', f'{FOLDER}/lynis.log'])} < /dev/null > /dev/null")
    report = bench.ssh(f"cat {said}").stdout
    return {"version": LYNIS, **lynis_report(report)}


def lynis_report(text: str) -> Verdict:
    """{index, warnings, suggestions} in a report file, whose lines are `key=value` or `key[]=ID|what|where|how|`."""
    lines = [line.partition("=") for line in text.splitlines()]
    single = {key: value for key, _, value in lines if not key.endswith("[]")}
    listed: dict[str, dict[str, list[str]]] = {"warning[]": {}, "suggestion[]": {}}
    for key, _, value in lines:
        if key in listed:
            name, *said = [part for part in value.split("|") if part not in ("", "-")]
            listed[key].setdefault(name, []).append(": ".join(said[:2]))
    return {
        "index": int(single["hardening_index"]),
        "warnings": listed["warning[]"],
        "suggestions": listed["suggestion[]"],
    }


def testssl(bench: Workbench) -> Verdict:
    """{version, findings {id: [severity, what]}} of the site's TLS, of severity LOW and above."""
    _install(bench, "testssl.sh", TESTSSL)
    said, address = f"{FOLDER}/testssl.json", bench.outputs.address
    options = [
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        address,
        "--add-ca",
        "/etc/workbench/ca.crt",
    ]
    command = ["testssl", *options, "--severity", "LOW", "--jsonfile", said, bench.url]
    # Its status is the number of findings, or above 200 where it could not judge.
    done = bench.ssh(f"rm -f {said}; {shlex.join(command)} < /dev/null > {FOLDER}/testssl.out", check=False)
    if done.returncode > 200:
        raise RuntimeError(f"testssl.sh could not judge: {bench.ssh(f'tail -5 {FOLDER}/testssl.out').stdout}")
    return {"version": TESTSSL, "findings": testssl_findings(bench.ssh(f"cat {said}").stdout)}


def testssl_findings(text: str) -> dict[str, list[str]]:
    """{id: [severity, what]} in testssl.sh's JSON, without what it says of itself."""
    entries: list[Mapping[str, str]] = json.loads(text)
    return {one["id"]: [one["severity"], one["finding"]] for one in entries if one["severity"] in SERIOUS}


def ssh_audit(bench: Workbench) -> Verdict:
    """{version, fail {algorithm: [why, ...]}, warn {...}} of sshd. Waits until sshd lets us in again."""
    program = environment.program("ssh-audit")
    asked = "import importlib.metadata; print(importlib.metadata.version('ssh-audit'))"
    version = run([str(program.parent / "python"), "-c", asked]).stdout.strip()
    command = [str(program), "--json", "--skip-rate-test", bench.outputs.address]
    # Its status is 2 where it warns, 3 where something fails, 1 where it could not judge.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2, 3):
        raise RuntimeError(f"ssh-audit could not judge: {done.stdout}{done.stderr}")
    until = time.monotonic() + WAIT_SECONDS
    while bench.ssh("true", check=False).returncode != 0 and time.monotonic() < until:
        time.sleep(5)
    return {"version": version, **ssh_audit_notes(done.stdout)}


def ssh_audit_notes(text: str) -> Verdict:
    """{fail, warn}, each {algorithm: [why, ...]}, in ssh-audit's JSON."""
    report = json.loads(text)
    found: dict[str, dict[str, list[str]]] = {"fail": {}, "warn": {}}
    for kind in ("kex", "key", "enc", "mac"):
        for algorithm in report[kind]:
            for level, listed in found.items():
                if why := algorithm.get("notes", {}).get(level):
                    listed.setdefault(algorithm["algorithm"], []).extend(why)
    return dict(found)


def _install(bench: Workbench, package: str, version: str) -> None:
    """Debian's package, of this version, on the host."""
    bench.ssh(
        f"mkdir -p -m 700 {FOLDER} && DEBIAN_FRONTEND=noninteractive apt-get install -q -y "
        f"--no-install-recommends {package}={version}"
    )


def show(judge: str, verdict: Mapping[str, Any]) -> None:
    """What a judge says, as a table."""
    table = Table("what", "says", title=judge, title_justify="left")
    for what, said in verdict.items():
        if isinstance(said, Mapping):
            for name, words in said.items():
                table.add_row(name, f"{what}: {_words(words)}")
        else:
            table.add_row(what, str(said))
    Console().print(table)


def _words(said: str | Sequence[str]) -> str:
    return said if isinstance(said, str) else "; ".join(said)
