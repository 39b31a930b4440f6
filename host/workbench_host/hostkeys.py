"""hostkeys [--list]: the server shows the host keys of the data volume, whichever server it is.

The first server's keys are copied to the volume; on a later one the volume's replace those that its first boot made.
They are Ed25519 and RSA: what there is of another kind (ECDSA, which a first boot makes, and older volumes have) goes.
With --list nothing is changed: it prints as JSON the public keys that are in use, those that are to be, and whether
all is as it should be.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from workbench_host.tools import DATA_VOLUME as VOLUME
from workbench_host.tools import FailureError, run, write

KEPT = f"{VOLUME}/ssh"
USED = "/etc/ssh"
PATTERN = "ssh_host_*_key"
SHOWN = frozenset({"ssh_host_ed25519_key", "ssh_host_rsa_key"})  # templates/ssh/sshd.conf.j2 names them too
PUBLIC: dict[bytes, str] = {}  # of private keys; the program that tells takes longer than all else here


def keys_in(folder: str) -> dict[str, bytes]:
    """The private host keys of a folder by file name, of the kinds that are shown."""
    keys = {}
    for name in sorted(names_in(folder) & SHOWN):
        with open(f"{folder}/{name}", "rb") as file:
            keys[name] = file.read()
    return keys


def names_in(folder: str) -> set[str]:
    """The file names of a folder's private host keys, whatever their kind."""
    return {os.path.basename(path) for path in glob.glob(f"{folder}/{PATTERN}")}


def others() -> list[str]:
    """The host keys, private and public, that are of no kind that is shown."""
    found = [f"{folder}/{name}" for folder in (USED, KEPT) for name in sorted(names_in(folder) - SHOWN)]
    return [*found, *(f"{path}.pub" for path in found if os.path.exists(f"{path}.pub"))]


def public(path: str) -> str:
    """Type and base64 of the public key that belongs to a private one."""
    with open(path, "rb") as file:
        private = file.read()
    if private not in PUBLIC:
        done = subprocess.run(
            ["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise FailureError(
                f"{path} is no usable private key ({done.stderr.strip()}); restore it or remove it"
            )
        PUBLIC[private] = " ".join(done.stdout.split()[:2])
    return PUBLIC[private]


def to_be(used: Mapping[str, bytes], kept: Mapping[str, bytes]) -> dict[str, str]:
    """Where each key that is to be used lies now: those of the volume, and types that it does not have yet."""
    paths = {name: f"{USED}/{name}" for name in used}
    return {**paths, **{name: f"{KEPT}/{name}" for name in kept}}


def put(folder: str, name: str, content: bytes) -> None:
    """Puts a private key and its public one."""
    write(f"{folder}/{name}", content, 0o600)
    write(f"{folder}/{name}.pub", f"{public(f'{folder}/{name}')} workbench\n".encode(), 0o644)


def public_is_right(folder: str, name: str) -> bool:
    try:
        with open(f"{folder}/{name}.pub") as file:
            return file.read().split()[:2] == public(f"{folder}/{name}").split()
    except FileNotFoundError:
        return False


def keep_all(used: Mapping[str, bytes]) -> None:
    """The first server's keys: all of them or none, so that a volume never holds half of a server's identity."""
    beside = f"{KEPT}.new"
    shutil.rmtree(beside, ignore_errors=True)
    os.mkdir(beside, 0o700)
    for name, content in used.items():
        put(beside, name, content)
    shutil.rmtree(KEPT, ignore_errors=True)  # it holds no private key, or keys would not be kept anew
    os.rename(beside, KEPT)
    run("sync", VOLUME)


def reconcile() -> None:
    used, kept = keys_in(USED), keys_in(KEPT)
    if not used and not kept:
        raise FailureError(f"there are no host keys in {USED}; run `ssh-keygen -A`")
    for path in to_be(used, kept).values():
        public(path)
    if not kept:
        keep_all(used)
        print("kept this server's host keys")
    for name in sorted({*used, *kept}):
        if kept and name not in kept:
            put(KEPT, name, used[name])
        if kept and name in kept and used.get(name) != kept[name]:
            put(USED, name, kept[name])
            print(f"took {name} from the data volume")
        if not public_is_right(USED, name):
            put(USED, name, keys_in(USED)[name])
    for path in sorted(others(), reverse=True):  # a public key before its private one, by which it is found
        os.unlink(path)


def is_right() -> bool:
    used = keys_in(USED)
    settled = bool(used) and used == keys_in(KEPT) and not others()
    return settled and all(public_is_right(USED, name) for name in used)


def main(arguments: Sequence[str]) -> int:
    try:
        if not os.path.ismount(VOLUME):
            raise FailureError(f"the data volume is not mounted on {VOLUME}; deploy again once it is")
        if "--list" in arguments:
            used, kept = keys_in(USED), keys_in(KEPT)
            present = [public(f"{USED}/{name}") for name in sorted(names_in(USED))]
            coming = [public(path) for _, path in sorted(to_be(used, kept).items())]
            print(json.dumps({"present": present, "coming": coming, "right": is_right()}))
            return 0
        reconcile()
    except FailureError as error:
        print(f"SSH: {error}.", file=sys.stderr)
        return 1
    return 0
