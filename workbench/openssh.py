"""The OpenSSH client of this machine: how its options are written, and what it makes of its own configuration.

`ssh -G` says the latter, so that a `Host`, `Match` or `Include` of ~/.ssh/config counts here as it does for `ssh`.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from workbench.errors import WorkbenchError

_NONE = "none"
_PORT = 22  # what ssh_config(5) has where nobody says another


def quoted(path: Path) -> str:
    """The path as the value of an option: nothing in it parts it or is a token (ssh_config(5), TOKENS).

    Raises WorkbenchError for the one thing that ssh has no way to write.
    """
    if "${" in str(path):
        raise WorkbenchError(
            f"ssh takes `${{` in a path for a variable: {path} needs a folder of another name."
        )
    text = re.sub(r'(["\\])', r"\\\1", str(path)).replace("%", "%%")
    return f'"{text}"'


@dataclass(frozen=True)
class Route:
    """How `ssh` would reach a host.

    `host` and `port` are where it ends up, `proxy` is the command that it talks through instead of connecting by
    itself (empty where it does), `identities` are the private keys that it would try, and `agent` is the socket of the
    agent, None where it asks none.
    """

    host: str
    port: int
    proxy: tuple[str, ...]
    identities: tuple[Path, ...]
    agent: str | None
    by: str = ""
    """The proxy in the words of the configuration."""


def route(user: str, host: str, port: int | None = None) -> Route:
    """The route to `host`. Raises WorkbenchError where ssh cannot read its configuration."""
    command = ["ssh", "-G", *(("-p", str(port)) if port else ()), f"{user}@{host}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:  # a deploy does without: pyinfra brings a client of its own
        return Route(host, port or _PORT, (), (), os.environ.get("SSH_AUTH_SOCK"))
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise WorkbenchError(f"ssh cannot read its configuration: {said[-1] if said else 'it said nothing'}")
    return _route(user, host, done.stdout)


def _route(user: str, asked: str, said: str) -> Route:
    values: dict[str, list[str]] = {}
    for line in said.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword, []).append(value)
    host, port = values["hostname"][0], values["port"][0]
    tokens = {"%": "%", "h": host, "n": asked, "p": port, "r": user, "u": getuser(), "d": str(Path.home())}
    files = [_expanded(value, tokens) for value in values.get("identityfile", [])]
    jump, command = (values.get(keyword, [_NONE])[0] for keyword in ("proxyjump", "proxycommand"))
    proxy: tuple[str, ...] = ()
    if jump != _NONE:
        proxy = _through(jump, host, port)
    elif command != _NONE:
        proxy = (os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {_with(command, tokens)}")
    return Route(
        host,
        int(port),
        proxy,
        tuple(Path(file) for file in files if file != _NONE),
        _agent(values.get("identityagent", ["SSH_AUTH_SOCK"])[0], tokens),
        next((value for value in (jump, command) if value != _NONE), ""),
    )


def _through(jump: str, host: str, port: str) -> tuple[str, ...]:
    """The command that ssh itself runs for a ProxyJump, whose last host is the one that connects to ours."""
    *before, last = jump.split(",")
    first = ("-J", ",".join(before)) if before else ()
    return ("ssh", "-o", "BatchMode=yes", *first, "-W", f"[{host}]:{port}", f"ssh://{last}")


def _agent(value: str, tokens: Mapping[str, str]) -> str | None:
    if value == _NONE:
        return None
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        return os.environ.get(value.lstrip("${").rstrip("}")) or None
    return _expanded(value, tokens)


def _expanded(path: str, tokens: Mapping[str, str]) -> str:
    return os.path.expandvars(_with(str(Path(path).expanduser()), tokens))


def _with(text: str, tokens: Mapping[str, str]) -> str:
    """The text with its tokens expanded; one that is not known here stays."""
    return re.sub("%(.)", lambda match: tokens.get(match[1], match[0]), text)
