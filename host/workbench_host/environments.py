"""environment NAME DIGEST [--index URL] [--npm URL] [--system-site-packages]

Installs the locked environment NAME into /opt/workbench/NAME-DIGEST, from the files in /etc/workbench/locks/NAME, and
points the link /opt/workbench/NAME at it. It is built beside the one in use, which is then kept; of the one for people,
two are (older ones go when nothing runs from them). A folder counts only with its marker, written last: so this may be
killed at any point, and the next call builds again what is not whole.

--index is a Python index (simple API), --npm an npm registry; unset means the public ones. --system-site-packages lets
users add packages of their own in ~/.local, which Python looks at after the environment's.
"""

import argparse
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from workbench_host.in_use import run_from
from workbench_host.tools import CONFIG, FailureError, alone, apart, close_lock, reason, sync_file_system

ROOT = Path("/opt/workbench")
LOCKS = Path(CONFIG) / "locks"
RUNNING = Path("/run/workbench-environment.lock")
WAIT_SECONDS = 600.0  # for another one to be installed, from a slow mirror
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MARKER = ".complete"  # what a whole environment has in it, written last
KEPT = {"python": 2}  # that were in use before, of whom going back is a switch; of others one
INSTALLER = "uv"  # the one environment that pip installs


def parsed(arguments: Sequence[str]) -> Namespace:
    parser = argparse.ArgumentParser("environment")
    parser.add_argument("name")
    parser.add_argument("digest")
    parser.add_argument("--index")
    parser.add_argument("--npm")
    parser.add_argument("--system-site-packages", action="store_true")
    return parser.parse_args(arguments)


def is_whole(folder: Path) -> bool:
    return (folder / MARKER).exists()


def is_current(name: str, folder: Path) -> bool:
    link = ROOT / name
    return link.is_symlink() and os.readlink(link) == folder.name and is_whole(folder)


def run(*command: str | Path) -> None:
    """Runs a command that trusts what the host trusts, so that a mirror may have a certificate of an own CA."""
    cache = ROOT / ".cache"
    surroundings = {
        **apart(cache),
        "UV_PYTHON_DOWNLOADS": "never",
        "npm_config_cache": str(cache / "npm"),
        "NODE_EXTRA_CA_CERTS": CERTIFICATES,
    }
    subprocess.run([str(part) for part in command], check=True, env=surroundings, stdin=subprocess.DEVNULL)


def install_with_pip(folder: Path, lock: Path, options: Namespace) -> None:
    index = ("--index-url", options.index, *trusted(options.index)) if options.index else ()
    run("/usr/bin/python3", "-m", "venv", folder)
    pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input")
    run(
        *pip,
        "install",
        "--quiet",
        "--no-cache-dir",
        "--require-hashes",
        *index,
        "-r",
        lock / "requirements.txt",
    )


def trusted(index: str) -> tuple[str, ...]:
    """pip takes an address without TLS only when told so; what it downloads is checked against its hash anyway."""
    parts = urlsplit(index)
    return ("--trusted-host", parts.netloc) if parts.scheme == "http" else ()


def install_with_uv(folder: Path, lock: Path, options: Namespace) -> None:
    uv = ROOT / INSTALLER / "bin" / "uv"
    index = ("--default-index", options.index) if options.index else ()
    shared = ("--system-site-packages",) if options.system_site_packages else ()
    run(uv, "venv", "--quiet", "--python", "/usr/bin/python3", *shared, folder)
    close_lock(folder / ".lock")
    run(
        *(uv, "pip", "sync", "--quiet", "--python", folder / "bin" / "python", "--compile-bytecode"),
        *("--require-hashes", *index, lock / "requirements.txt"),
    )
    (folder / ".lock").unlink(missing_ok=True)


def install_with_npm(folder: Path, lock: Path, options: Namespace) -> None:
    """The environment's own Node, which a Python package brings, installs what package-lock.json says."""
    target = folder / "share" / "npm"
    target.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(lock / name, target / name)
    registry = ("--registry", options.npm) if options.npm else ()
    quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev")
    run(folder / "bin" / "npm", "ci", "--prefix", target, *quiet, *registry)


def complaint(key: str, url: str, probe: str) -> str | None:
    """The sentence about a mirror that does not give out what each one of its kind has, or None."""
    try:
        with urllib.request.urlopen(f"{url}/{probe}", timeout=20):
            return None
    except urllib.error.HTTPError as error:
        return f"{key} is {url}, which answers {error.code} when asked for /{probe}"
    except (OSError, ValueError) as error:
        return f"{key} is {url}, which cannot be reached ({getattr(error, 'reason', error)})"


def complaints(options: Namespace) -> list[str]:
    """What is wrong with the mirrors, where something went wrong and there are any."""
    asked = (("workbench:mirrors.pypi", options.index, "uv/"), ("workbench:mirrors.npm", options.npm, "npm"))
    found = (complaint(key, url, probe) for key, url, probe in asked if url)
    return [sentence for sentence in found if sentence]


def build(folder: Path, options: Namespace) -> None:
    lock = LOCKS / options.name
    shutil.rmtree(folder, ignore_errors=True)
    ROOT.mkdir(parents=True, exist_ok=True)
    (install_with_pip if options.name == INSTALLER else install_with_uv)(folder, lock, options)
    if (lock / "package-lock.json").exists():
        install_with_npm(folder, lock, options)
    sync_file_system(folder)  # the marker promises that all of it is on the disk
    (folder / MARKER).touch()


def switch(name: str, folder: Path) -> None:
    """Points the link at the new folder in one step, and removes what neither it nor any process needs."""
    link, new = ROOT / name, ROOT / f".{name}.new"
    before = ROOT / os.readlink(link) if link.is_symlink() else None
    if before and is_whole(before):
        os.utime(before / MARKER)  # when it was last in use
    former = [one for one in ROOT.glob(f"{name}-{'[0-9a-f]' * 12}") if one != folder]
    former.sort(
        key=lambda one: (one == before, is_whole(one) and (one / MARKER).stat().st_mtime), reverse=True
    )
    for old in former[KEPT.get(name, 1) :]:
        if not run_from(old):
            shutil.rmtree(old)
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name)
    new.rename(link)


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    folder = ROOT / f"{options.name}-{options.digest}"
    if is_current(options.name, folder):
        return 0
    os.umask(0o022)
    try:
        with alone(RUNNING, WAIT_SECONDS):
            return installed(folder, options)
    except (FailureError, OSError) as error:
        return failed(options.name, reason(error))


def installed(folder: Path, options: Namespace) -> int:
    """Does it; the exit status."""
    try:
        if not is_whole(folder):
            build(folder, options)
        switch(options.name, folder)
    except subprocess.CalledProcessError as error:
        command = " ".join(Path(part).name if part.startswith("/") else part for part in error.cmd[:3])
        return failed(options.name, "; ".join(complaints(options)) or f"{command} failed")
    finally:
        shutil.rmtree(ROOT / ".cache", ignore_errors=True)
    return 0


def failed(name: str, why: str) -> int:
    print(f"The environment {name} could not be installed: {why}.", file=sys.stderr)
    return 1
