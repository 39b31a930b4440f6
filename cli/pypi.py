"""Python requirements resolved by uv into pinned versions with the hashes of all their files."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.settings import Environment

KERNEL = "ipykernel"  # without which an environment is no kernel
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?(?:==(\S+)| @ (\S+))", re.MULTILINE)
_PASSWORD = re.compile(r"//[^/\s]*@")


# What a build on this machine is told of it: how to reach an index, and no credentials.
_NEEDED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NO_BUILD = re.compile(r"uilding source distributions .*is disabled|heels are required")


def resolved(
    environment: Environment, source: str, before: str, index: str | None, *, builds: bool = False
) -> str:
    """`source` and what a kernel needs, as pinned and hashed requirements for each platform that wheels are of.

    Versions of `before`, a lock or nothing, are kept as far as they still fit. No package's build is run, unless
    `builds`: then one that tells its dependencies in no other way, here and as the one who calls, but without what is
    in their environment and their HOME. Raises WorkbenchError with uv's reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, output = Path(folder) / "requirements.in", Path(folder) / "lock.txt"
        wanted.write_text(f"{source.rstrip()}\n{KERNEL}\n")
        output.write_text(before)
        command = ["uv", "--no-config", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--python-version", environment.version]
        command += ["--output-file", output.name, wanted.name, *(() if builds else ("--no-build",))]
        # Which Python it is asked with, matters to nothing but the builds above: none is to be looked for, or fetched.
        command += ["--python", sys.executable, *(() if before else ("--refresh",))]
        surroundings = _without_secrets(folder) if builds else {**os.environ}
        surroundings["UV_PYTHON_DOWNLOADS"] = "never"
        if index:  # not on the command line, which everybody on this machine may read
            surroundings["UV_DEFAULT_INDEX"] = index
        done = subprocess.run(
            command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise WorkbenchError(_reason(done.stderr, source))
        return output.read_text()


def _without_secrets(folder: str) -> dict[str, str]:
    """What of the environment a package's build may see: it is a program of whoever published it."""
    home = Path(folder) / "home"
    home.mkdir()
    names = (*_NEEDED, *_PROXIES, *map(str.lower, _PROXIES))
    return {"HOME": str(home), **{name: os.environ[name] for name in names if name in os.environ}}


def versions(lock: str) -> dict[str, str]:
    """What a lock pins, by name: a version, or an address."""
    return {match[1]: match[2] or match[3] for match in _NAME.finditer(lock)}


def _reason(said: str, source: str) -> str:
    """What uv said, in one line, with the line of the file that it is about where one can be told."""
    words = (
        " ".join(re.sub(r"[\u00d7\u2500-\u257f\u25b6]", " ", said).split())
        .removeprefix("error: ")
        .rstrip(".")
    )
    words = _PASSWORD.sub("//...@", words)
    if _NO_BUILD.search(words):
        words += (
            "; a package that is published as source alone is built where services.base.buildTools is true"
        )
    for number, line in enumerate(source.splitlines(), 1):
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip())
        if name and re.search(rf"(?<![\w.-]){re.escape(name[0])}(?![\w-])", words, re.IGNORECASE):
            return f"line {number} ({line.strip()}): {words}"
    return words
