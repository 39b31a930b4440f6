"""What an image must not have: kinds of files, how each is found below a root folder, and how it goes.

Only the root disk is looked at: what is mounted below it (the data volume, /proc) is no part of an image. What no kind
takes away, such as a password hash in a file that nobody thought of, is found by its look, and ends the baking.
"""

import glob
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

ADMIN, ADMIN_HOME = "admin", "var/lib/admin"
_HOMES = ("root", ADMIN_HOME, "home/*")
_PEOPLE = range(1000, 60000)  # uids that people may have; below are the system's, 65534 is nobody
_LARGEST = 1 << 20  # bytes of a file that is read: what has secrets is small

Path = str  # absolute, as the host sees it


def _of_homes(*names: str) -> tuple[str, ...]:
    return tuple(f"{home}/{name}" for home in _HOMES for name in names)


# Each kind's patterns, below the root; what fits goes with all that is in it.
_GONE: dict[str, tuple[str, ...]] = {
    "cloud-init's notes of this server": (
        "var/lib/cloud/data/*", "var/lib/cloud/handlers/*", "var/lib/cloud/instance", "var/lib/cloud/instances/*",
        "var/lib/cloud/scripts/*/*", "var/lib/cloud/sem/*",
        # Ours tells it to leave name and host keys alone, which on a new server are its to make.
        "etc/cloud/cloud.cfg.d/90-workbench.cfg",
        # Its network configuration names this server's card.
        "etc/netplan/50-cloud-init.yaml", "etc/network/interfaces.d/50-cloud-init*",
        "etc/systemd/network/10-cloud-init-*",
    ),
    "host keys": ("etc/ssh/ssh_host_*",),
    "keys of people": (*_of_homes(".ssh/*", ".ssh/.*"), "etc/ssh/authorized_keys.d/*"),
    "seed of randomness": (
        "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "boot/loader/random-seed",
        "boot/efi/loader/random-seed",
    ),
    "declared users": (
        "etc/workbench/users.json", "etc/workbench/schedule-mail.json", "var/lib/workbench/lingering",
    ),
    "accounts from before": ("etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
    "certificates": (
        "etc/workbench/ca.crt", "etc/workbench/caddy/acme-root.crt", "var/lib/workbench-certificate/*",
        "var/lib/private/workbench-certificate/*", "etc/ssl/private/*",
    ),
    "secrets of services": (
        "etc/workbench/alarms/*", "var/lib/rstudio-server/*-key", "etc/rstudio/*-key",
        "var/lib/rstudio-server/*.sqlite*", "var/lib/rstudio-server/*.db*",
    ),
    "notes of services": (
        "var/lib/workbench-*/*", "var/lib/private/workbench-*/*", "var/lib/workbench/formatting.json",
    ),
    "logins": ("var/lib/lastlog/*", "var/lib/wtmpdb/*", "var/lib/systemd/linger/*", "var/lib/sudo/lectured/*"),
    "histories and caches": _of_homes(
        ".bash_history", ".python_history", ".Rhistory", ".node_repl_history", ".lesshst", ".viminfo", ".wget-hsts",
        ".sudo_as_admin_successful", ".cache", ".npm", ".local", ".config", ".aws", ".pulumi", ".netrc",
    ),
    "apt's lists and packages": (
        "var/lib/apt/lists/*", "var/lib/apt/periodic/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb",
        "var/cache/apt/archives/partial/*", "var/lib/workbench/apt-updated*",
    ),
    "temporary files": tuple(
        f"{folder}/{names}"
        for folder in ("tmp", "var/tmp", "var/lib/workbench/tmp", "var/crash", "var/lib/systemd/coredump")
        for names in ("*", ".[!.]*")
    ),
    "leases": ("var/lib/dhcp/*", "var/lib/dhcpcd/*"),
    # systemd would take up at once what it missed since the image was made, apt's daily work among it.
    "times of timers": ("var/lib/systemd/timers/*",),
    "swap": ("swapfile",),
    "what belongs on the data volume": ("home/*", "srv/workbench/*"),
}  # fmt: skip
_JOURNALS, _LOGS = "var/log/journal/*", "var/log"
_MACHINE_IDS = ("etc/machine-id", "var/lib/dbus/machine-id")

# Where text is looked at, and by what look it does not belong into an image.
_READ = ("etc", "root", "home", "srv", "opt/workbench/etc", "usr/local/etc", "usr/local/lib/workbench", "var/lib/admin",
         "var/lib/cloud", "var/lib/workbench", "var/spool", "tmp", "var/tmp")  # fmt: skip
# npm notes there where it got each package from.
_READ_TOO = ("opt/workbench/*/share/npm/node_modules/.package-lock.json", "opt/workbench/*/share/npm/.npmrc")
# The certificates of public CAs, and the keys of public forges.
_PUBLIC = ("etc/ssl/certs", "etc/ssh/ssh_known_hosts2")
_SHADOW = "etc/shadow"  # which is looked at line by line
_LOOKS: dict[str, re.Pattern[bytes]] = {
    "private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}"),
    "key of somebody": re.compile(
        rb"(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]{1,60}) AAAA[A-Za-z0-9+/]{40}"
    ),
    "password hash": re.compile(rb"\$(?:y|gy|7|2[aby]|6|5)\$[./A-Za-z0-9$=,]{20}"),
    "token": re.compile(
        rb"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30}|\bxox[abprs]-[A-Za-z0-9-]{10}|hooks\.slack\.com/services/\w"
        # Of a run of such letters the first `eyJ` will do, or none: looked for once, however many there are.
        rb"|(?<![\w-])(?>[\w-]*?\beyJ)[\w-]{10,}+\.eyJ[\w-]{10}"
    ),
    # Or a token without a name; up to the last @, which a password may have.
    "password in an address": re.compile(rb"(?<=[a-z]://)[^\s/\"'<>]+@(?=[A-Za-z0-9\[])"),
}


@dataclass(frozen=True)
class Leftover:
    """One thing that an image must not have: its kind, and where it is. Never what is in it."""

    kind: str
    path: Path

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}"


def found(root: Path = "/") -> list[Leftover]:
    """All that is left below a root folder, each thing once: by the first kind that it, or what it is in, is of."""
    seen: dict[Path, Leftover] = {}
    for find in (_files, _logs, _machine_ids, _accounts, _texts):
        for one in find(root):
            if not {one.path, *map(str, PurePosixPath(one.path).parents)} & seen.keys():
                seen[one.path] = one
    return list(seen.values())


def remove(root: Path = "/") -> None:
    """Takes away what may go, whatever there is of it; safe to call again."""
    for one in [*_files(root), *_logs(root)]:
        path = _below(root, one.path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            os.unlink(path)
    for one in _machine_ids(root):
        # Empty, and not gone or "uninitialized": those would have systemd take each unit's preset for our choice.
        _put(_below(root, one.path), b"")
    for one in _texts(root):
        if one.kind == "password in an address":
            path = _below(root, one.path)
            with open(path, "rb") as file:  # all of it: what is left out would be cut off
                content = file.read()
            _put(path, _LOOKS[one.kind].sub(b"", content))


def _below(root: Path, path: Path) -> Path:
    return os.path.join(root, path.lstrip("/"))


def _shown(root: Path, path: Path) -> Path:
    return "/" + os.path.relpath(path, root)


def _put(path: Path, content: bytes) -> None:
    """In place: the file keeps whose it is, and who may read it."""
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()


def _fitting(root: Path, pattern: str) -> Iterator[Path]:
    device = os.lstat(root).st_dev
    for path in sorted(glob.glob(os.path.join(root, pattern))):
        if os.lstat(path).st_dev == device and not os.path.ismount(path):
            yield path


def _files(root: Path) -> Iterator[Leftover]:
    for kind, patterns in _GONE.items():
        for pattern in patterns:
            for path in _fitting(root, pattern):
                yield Leftover(kind, _shown(root, path))


def _logs(root: Path) -> Iterator[Leftover]:
    """Files, since their folders have owners that nobody gives them again; the journal's are of this machine-id."""
    for path in _fitting(root, _JOURNALS):
        yield Leftover("logs", _shown(root, path))
    for path in _walked(root, _LOGS):
        yield Leftover("logs", _shown(root, path))


def _machine_ids(root: Path) -> Iterator[Leftover]:
    for name in _MACHINE_IDS:
        path = os.path.join(root, name)
        if os.path.isfile(path) and not os.path.islink(path) and _content(path).strip():
            yield Leftover("machine-id", _shown(root, path))


def _accounts(root: Path) -> Iterator[Leftover]:
    """People, and whoever has a password: a builder has neither, so that nothing here takes them away."""
    for line in _lines(root, "etc/passwd"):
        name, _, uid, *_ = line.split(":")
        if int(uid) in _PEOPLE and name != ADMIN:
            yield Leftover("user", f"/etc/passwd ({name})")
    for line in _lines(root, _SHADOW):
        name, hashed, *_ = line.split(":")
        if hashed.lstrip("!").startswith("$"):
            yield Leftover("password hash", f"/etc/shadow ({name})")


def _lines(root: Path, name: str) -> list[str]:
    path = os.path.join(root, name)
    return [line for line in _content(path).decode(errors="replace").splitlines() if line.count(":") > 1]


def _texts(root: Path) -> Iterator[Leftover]:
    walked = (path for folder in _READ for path in _walked(root, folder))
    for path in (*walked, *(path for pattern in _READ_TOO for path in _fitting(root, pattern))):
        content = b"" if path == os.path.join(root, _SHADOW) else _content(path)
        for kind, look in _LOOKS.items():
            if look.search(content):
                yield Leftover(kind, _shown(root, path))


def _walked(root: Path, folder: str) -> Iterator[Path]:
    """The ordinary files below a folder, on the root's own disk."""
    device, public = os.lstat(root).st_dev, {os.path.join(root, name) for name in _PUBLIC}
    for at, folders, files in os.walk(os.path.join(root, folder)):
        folders[:] = [name for name in folders if _is_on(os.path.join(at, name), device)]
        folders[:] = [name for name in folders if os.path.join(at, name) not in public]
        for path in sorted({os.path.join(at, name) for name in files} - public):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_dev == device and not os.path.ismount(path):
                yield path


def _is_on(path: Path, device: int) -> bool:
    return os.lstat(path).st_dev == device


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        return b""
