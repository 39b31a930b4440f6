"""What this machine knows of the server's SSH host keys, while they are exchanged for those of the data volume.

A rebuilt server begins with keys of its own, and the deploy gives it back the ones that people know. Were this machine
to learn of that only afterwards, a run killed in between could never connect again. So the file holds both sets while
the keys are exchanged, the present ones first. OpenSSH takes either; paramiko looks at the first of a type only, which
is why `reconcile` asks the server which set is in use before pyinfra connects.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from paramiko import SSHException, Transport
from paramiko.pkey import PKey

from connector.link import Link
from workbench import openssh
from workbench.outputs import ADMIN


def lines(address: str, keys: Sequence[str]) -> list[str]:
    """Lines of a known_hosts file for public keys as in ssh_host_*_key.pub (type, base64, perhaps a comment)."""
    return [f"{address} {' '.join(key.split()[:2])}" for key in keys]


def write(path: Path, entries: Sequence[str]) -> None:
    """Replaces the file in one step."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w") as file:
        file.write("".join(f"{entry}\n" for entry in entries))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read(path: Path) -> list[str]:
    """The entries of the file, none where it does not exist."""
    return path.read_text().splitlines() if path.exists() else []


def ambiguous(entries: Sequence[str]) -> bool:
    """Whether a type of key stands in it twice: an exchange of keys was cut short."""
    types = [entry.split()[1] for entry in entries if len(entry.split()) > 2]
    return len(set(types)) < len(types)


def ordered(entries: Sequence[str], live: str) -> list[str]:
    """The entries with the `live` key (type and base64) first; as they are where it is not among them."""
    matching = [entry for entry in entries if entry.split()[1:3] == live.split()[:2]]
    return [*matching, *(entry for entry in entries if entry not in matching)] if matching else list(entries)


def reconcile(path: Path, address: str) -> None:
    """Where an exchange was cut short, puts the keys first that the server now shows. Trusts no key that is new."""
    entries = read(path)
    if not ambiguous(entries):
        return
    for kind in dict.fromkeys(entry.split()[1] for entry in entries):
        live = _shown(address, kind)
        if live is not None:
            entries = ordered(entries, f"{live.get_name()} {live.get_base64()}")
    write(path, entries)


def _shown(address: str, kind: str) -> PKey | None:
    """The server's key of type `kind`, None where it cannot be asked; connecting will then say why."""
    with (
        contextlib.suppress(OSError, SSHException),
        Link(openssh.route(ADMIN, address)) as link,
    ):
        transport = Transport(link.socket)
        try:
            options = transport.get_security_options()
            options.key_types = [name for name in options.key_types if _is_of(kind, name)]
            transport.start_client(timeout=10)
            return transport.get_remote_server_key()
        finally:
            transport.close()
    return None


def _is_of(kind: str, algorithm: str) -> bool:
    """RSA keys also sign as rsa-sha2-256 and -512 (RFC 8332)."""
    return algorithm == kind or (kind == "ssh-rsa" and algorithm.startswith("rsa-sha2-"))
