"""With which of this machine's private keys a deploy gets in.

A server counts each key that it is offered and does not know, and ends the connection after a few of them: so the one
that the settings name is looked for here, and offered first. And what runs in the background cannot ask for a
passphrase: a key that needs one is refused before anything waits for it.
"""

import base64
import binascii
import hashlib
import os
import re
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench import sshkeys
from workbench.errors import WorkbenchError
from workbench.openssh import Route

KEY_VARIABLE = "WORKBENCH_SSH_KEY"
_PUBLIC = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-[\w.@-]+\s+(AAAA[\w+/]+=*)")  # options may stand before it
_FINGERPRINT = re.compile(r"SHA256:\S+")
_ADD = '`ssh-add {file}` first (where there is no agent, before that: eval "$(ssh-agent)")'
_PASSPHRASE = f"has a passphrase, and no ssh-agent has it: run {_ADD}."
_TOUCH = f"is that of a security key, which a deploy can use through an ssh-agent only: run {_ADD}."
_OPEN = "can be read by others, and ssh does not take it so: run `chmod 600 {file}`."
_STRANGE = "is none that ssh-keygen can read."
_SAYS = {"incorrect passphrase": _PASSPHRASE, "bad permissions": _OPEN}


@dataclass(frozen=True)
class Key:
    """A private key, by its fingerprint (SHA256:...): in this file, or where that is None in the agent."""

    fingerprint: str
    file: Path | None = None


def named() -> Path | None:
    """The private key that WORKBENCH_SSH_KEY names; None leaves the choice to the agent and ~/.ssh."""
    name = os.environ.get(KEY_VARIABLE)
    return Path(name).expanduser() if name else None


def chosen(accepted: Iterable[str], route: Route) -> Key | None:
    """The key to offer first to a server that accepts these public keys; None where it cannot be told.

    Raises WorkbenchError where it cannot be used without asking somebody, or WORKBENCH_SSH_KEY names none.
    """
    lines, held = list(accepted), _held(route.agent)
    files = {file: _fingerprint(file) for file in _files(route)}
    faults: dict[Path, str | None] = {}
    free = [line for line in lines if not sshkeys.barrier(line)]  # the others may be refused, and come last
    for wanted in map(fingerprints, (free, lines)):
        if named() is None:
            known = next((one for one in held if one in wanted), None)
            if known is not None:
                return Key(known)
        for file, found in files.items():
            if file in faults or not (named() or found in wanted):
                continue
            faults[file] = _fault(file)
            if faults[file] is None:
                return Key(found, file)
            if found in held:
                return Key(found)
    for fault in faults.values():
        if fault is not None:
            raise WorkbenchError(fault)
    return None


def unusable(route: Route) -> list[str]:
    """A sentence for each key that `ssh` would try, and cannot use without asking somebody."""
    held = _held(route.agent)
    return [
        fault
        for file in _files(route)
        if _fingerprint(file) not in held and (fault := _fault(file)) is not None
    ]


def not_accepted(accepted: Iterable[str]) -> list[str]:
    """A sentence where the key that WORKBENCH_SSH_KEY names is none of these public keys.

    None where that cannot be told: the file does not say which key it is, or a certificate may let it in.
    """
    file, lines = named(), list(accepted)
    if file is None or any("cert-authority" in line for line in lines):
        return []
    own = _fingerprint(file)
    if not own or own in fingerprints(lines):
        return []
    return [
        f"{KEY_VARIABLE} names {file}, whose public key ({own}) is none of workbench:adminSshKeys: add it "
        "there, or name the file of one that is."
    ]


def _files(route: Route) -> list[Path]:
    file = named()
    if file is None:
        return [one for one in route.identities if one.is_file()]
    if not file.is_file():
        raise WorkbenchError(f"{KEY_VARIABLE} names {file}, which is no file.")
    return [file]


def fingerprints(public: Iterable[str]) -> list[str]:
    """Those of public keys as authorized_keys and `ssh-add -L` have them, in their order."""
    matches = (_PUBLIC.search(line) for line in public)
    return [found for match in matches if match and (found := fingerprint(match[1]))]


def fingerprint(public: str | bytes) -> str:
    """That of a public key, given as its bytes or their base64; "" of what is no base64."""
    try:
        data = public if isinstance(public, bytes) else base64.b64decode(public)
    except binascii.Error:
        return ""
    return f"SHA256:{base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')}"


def _held(agent: str | None) -> Collection[str]:
    """The fingerprints of the agent's keys, in its order."""
    if agent is None:
        return []
    return fingerprints(_run("ssh-add", "-L", agent=agent)[1].splitlines())


def _fingerprint(file: Path) -> str:
    """That of a private key; "" where it cannot be told, as of an old format with a passphrase and no `.pub`."""
    match = _FINGERPRINT.search(_run("ssh-keygen", "-l", "-E", "sha256", "-f", str(file))[1])
    return match[0] if match else ""


def _fault(file: Path) -> str | None:
    """A sentence on what keeps a program from using a private key by itself; None where nothing does."""
    status, said = _run("ssh-keygen", "-y", "-P", "", "-f", str(file))
    if status == 0:
        why = _TOUCH if said.startswith("sk-") else None
    else:
        why = next((why for part, why in _SAYS.items() if part in said), _STRANGE)
    return f"The private key {file} {why.format(file=file)}" if why else None


def _run(*command: str, agent: str | None = None) -> tuple[int, str]:
    """Exit status of a program of OpenSSH's, and all that it said; nothing, and 0, on a machine without it."""
    environment = {**os.environ, **({"SSH_AUTH_SOCK": agent} if agent else {})}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:  # pyinfra brings a client of its own, and then it has to see for itself
        return 0, ""
    return done.returncode, done.stdout
