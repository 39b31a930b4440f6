"""Whether a server can write where it has to, looked at before it is started: else it dies, and nobody is told why."""

import os
import pwd
import stat

# Where Jupyter and IPython write when they start; what is not there they make.
NEEDED = (".local/share/jupyter", ".jupyter", ".ipython")


def unwritable(name: str) -> str | None:
    """The home, or the first folder in it that a server needs, that is not its user's to write to.

    Only owners and modes are looked at, and no link is followed: the hub is root. Behind a link anything may be.
    """
    account = pwd.getpwnam(name)
    for path in NEEDED:
        at = account.pw_dir
        for part in ("", *path.split("/")):
            at = f"{at}/{part}".rstrip("/")
            try:
                found = os.lstat(at)
            except FileNotFoundError:
                if part:
                    break  # made when it is needed
                return at
            if stat.S_ISLNK(found.st_mode):
                break
            is_theirs = found.st_uid == account.pw_uid and found.st_mode & 0o300 == 0o300
            if not (stat.S_ISDIR(found.st_mode) and is_theirs):
                return at
    return None
