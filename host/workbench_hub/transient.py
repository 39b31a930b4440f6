"""Units of systemd that the hub has made for users: how they are run, and what root puts where for them.

Nothing of it is in a folder that its user has, or has ever had: root would follow a link there. A server's own folder
is a small file system, mounted for it and gone with it: it cannot fill /run, and it goes however deep its folders are.
"""

import asyncio
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

# Sockets and small files: a kernel has seven.
FOLDER_OPTIONS = "size=16m,nr_inodes=4096,mode=700,nosuid,nodev,noexec"


async def make_folder(path: str, uid: int, gid: int) -> None:
    """An empty folder of a user's own at `path`, whose parent is root's. RuntimeError where there can be none."""
    where = shlex.quote(path)
    mount = f"mount -t tmpfs -o {FOLDER_OPTIONS},uid={uid},gid={gid} tmpfs {where}"
    await as_root("/bin/sh", "-c", f"{_clear(where)}; mkdir -p -m 700 {where} && {mount}")


async def remove_folder(path: str) -> None:
    """The end of such a folder, also where somebody's process is still in it."""
    where = shlex.quote(path)
    await as_root("/bin/sh", "-c", f"{_clear(where)}; ! [ -e {where} ] || rmdir {where}")


def _clear(where: str) -> str:
    return f"while mountpoint -q {where}; do umount -l {where} || exit 1; done"


async def as_root(*command: str, given: bytes = b"") -> None:
    """Has systemd run a command as root outside of the hub's sandbox, with `given` on its standard input.

    The hub itself may neither write to /etc nor mount, and nobody else would see what it mounts. Raises RuntimeError
    where the command fails; what it said is in the error, and nothing of what was given.
    """
    pipe = asyncio.subprocess.PIPE
    line = ["systemd-run", "--pipe", "--wait", "--collect", "--quiet", *command]
    done = await asyncio.create_subprocess_exec(*line, stdin=pipe, stdout=pipe, stderr=pipe)
    _, said = await done.communicate(given)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {said.decode(errors='replace').strip()}")


@contextmanager
def environment_file(path: str, environment: Mapping[str, str]) -> Iterator[str]:
    """A file of root's for `EnvironmentFile=`, as long as the block lasts: systemd reads it when it starts the unit."""
    with suppress(FileNotFoundError):
        os.unlink(path)  # of a hub that was killed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{key}={shlex.quote(value)}\n" for key, value in sorted(environment.items()))
        yield path
    finally:
        os.unlink(path)


async def run(unit: str, options: Iterable[str], properties: Iterable[str], command: Iterable[str]) -> None:
    """Has systemd run a command as `unit`, and waits until it has begun. Raises RuntimeError where it does not."""
    line = [
        *("systemd-run", "--quiet", "--expand-environment=no", f"--unit={unit}", *options),
        *(f"--property={one}" for one in properties),
        *command,
    ]
    done = await asyncio.create_subprocess_exec(*line)
    if await done.wait() != 0:
        raise RuntimeError(f"{unit} could not be started; the journal says why")
