"""What tests/deploy/test_environments.py works with: packages that attack, and what it asks of host and pages."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.visitor import Visitor
from tests.standins import cran
from tests.standins.mirror import PORT, put
from tests.workbench_in_lab import Workbench
from workbench import stackfile, team
from workbench.host import program_path

PROGRAM = program_path("team-environments")
ROOT = "/opt/environments"
# What runs when R builds it: the code of a package is run to make its namespace.
NOSY_CODE = """
paths <- c("/etc/evil", "/usr/local/evil", "/opt/evil", "/opt/environments/evil.R")
made <- vapply(paths, function(path) suppressWarnings(file.create(path)), TRUE)
told <- c(system("id -un", intern = TRUE), sum(made), length(list.files("/srv/workbench")), length(list.files("/home")))
"""
TINY, TINY_2 = (("tiny", version, "", cran.package("tiny", version)) for version in ("1.0", "2.0"))
NOSY_FILES = {"R/zzz.R": NOSY_CODE, "NAMESPACE": "export(answer, told)\n"}
NOSY = ("nosy", "1.0", "", cran.package("nosy", "1.0", files=NOSY_FILES))
# What runs when pip builds it: it tries to get out, and says how far it came.
EVIL = (
    "import getpass, os, pathlib, subprocess, urllib.request\n"
    "def attempt(what):\n"
    "    try:\n        return str(what())\n    except Exception as error:\n        return type(error).__name__\n"
    "folder = pathlib.Path(os.environ['HOME'])\n"
    "told = [str(os.getuid())]\n"
    "for path in ('/etc/evil', '/usr/local/evil', '/opt/evil', '/opt/environments/evil'):\n"
    "    told.append(attempt(lambda: pathlib.Path(path).write_text('x')))\n"
    "told.append(attempt(lambda: os.listdir('/srv/workbench')))\n"
    "told.append(attempt(lambda: os.listdir('/home')))\n"
    "told.append(attempt(lambda: urllib.request.urlopen('http://169.254.169.254/', timeout=5)))\n"
    "told.append(attempt(lambda: urllib.request.urlopen('http://127.0.0.1:18765/', timeout=5)))\n"
    "none = subprocess.DEVNULL\n"
    "subprocess.Popen(['sleep', '4711'], start_new_session=True, stdin=none, stdout=none, stderr=none)\n"
    "target = next(pathlib.Path('/opt/environments').glob('evil-*'))\n"
    "(target / '.complete').write_text('{}')\n"
    "(target / 'told').write_text('\\n'.join(told))\n"
    "os.chmod(target / 'told', 0o777)\n"
)


@contextmanager
def here(folder: Path, *packages: tuple[str, str, str, bytes]) -> Iterator[None]:
    """The repository of R on this machine too, at the address that it has on the host: `workbench lock` asks it."""
    for path, content in cran.files(*packages).items():
        (folder / "web" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "web" / path).write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", PORT), partial(Quiet, directory=str(folder / "web")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(folder / "web")


def environments(*packages: str) -> list[dict[str, Any]]:
    return [
        {"name": "geo", "python": "3.13", "requirements": "team-of-tests/geo.txt"},
        {"name": "stats", "r": "4.5", "packages": list(packages)},
    ]


@contextmanager
def visit(workbench: Workbench, user: str = "ada") -> Iterator[Visitor]:
    """A visit ends with a logout, which ends all others of the user too."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login(user, workbench.password(user))
        visitor.spawn()
        yield visitor


def lock_file(workbench: Workbench, name: str) -> Path:
    return team.folder(stackfile.path_of(workbench.stack)) / name


def drive(workbench: Workbench, told: dict[str, Any]) -> str:
    """What the host's program says of environments that no settings made, with what is there put back afterwards."""
    put(workbench, "wanted.json", json.dumps(told).encode())
    config = "/etc/workbench/environments.json"
    script = (
        f"cp -p {config} {config}.kept; install -m 600 /run/test-mirror/wanted.json {config}; "
        f"{PROGRAM} 2>&1; echo status $?; mv {config}.kept {config}"
    )
    return workbench.ssh(script).stdout


def wanted(name: str, language: str, version: str, lock: str) -> dict[str, Any]:
    digest = f"{sum(lock.encode()):012x}"
    return {
        "name": name,
        "language": language,
        "version": version,
        "digest": digest,
        "lock": lock,
        "setting": "workbench:environments[0]",
    }


def package_of(one: tuple[str, str, str, bytes]) -> dict[str, str]:
    name, version, _, content = one
    return {
        "Package": name,
        "Version": version,
        "File": f"src/contrib/{name}_{version}.tar.gz",
        "Sha256": hashlib.sha256(content).hexdigest(),
    }
