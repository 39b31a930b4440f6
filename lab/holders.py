"""Who listens on a port: for messages that a person can act on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def holder(port: int) -> str:
    """The process that listens on the TCP port, like 'sshd (pid 812)'; 'another process' if it cannot be seen."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listeners(table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        if inodes & set(_open_files(process)):
            with contextlib.suppress(OSError):  # it ended while we looked
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return "another process"


def _open_files(process: Path) -> Iterator[str]:
    """What the process's descriptors point to, as far as they can be seen."""
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile: ours that reads this folder, for one
                yield str(descriptor.readlink())


def _listeners(table: str, port: int) -> list[str]:
    """The inodes of the sockets that listen on the port."""
    rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port]


def listening(pid: int) -> set[int]:
    """The TCP ports on which the process's network has something listening, on more than loopback."""
    ports = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue  # gone, or no IPv6
        for row in map(str.split, lines):
            address, port = row[1].rsplit(":", 1)
            if row[3] == "0A" and not _is_loopback(address):
                ports.add(int(port, 16))
    return ports


def _is_loopback(address: str) -> bool:
    """Of an address as /proc writes it: each 32 bits in the machine's (little endian) order."""
    if len(address) == 8:
        return address.endswith("7F")
    return address == "0" * 24 + "01000000" or (
        address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F")
    )
