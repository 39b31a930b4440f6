"""From the workbench's deploy: no module is imported from the working directory where others may write to it.

Python, started without a script, looks for modules in the directory where it was started, before all others. In a
shared folder a pandas.py of anybody's would then be what `import pandas` runs. It goes on doing so where the directory
is the user's own or root's and nobody else may write to it, or where the user trusts it (trust-folder). What somebody
puts on the path themselves, other than the working directory, stays.
"""

import os
import sys

TRUSTED = "~/.config/workbench/trusted"  # folders that the user trusts, one a line
ACL = "system.posix_acl_access"


def is_own(folder):
    """Whether a folder is the user's or root's, and nobody else may write to it."""
    found, user = os.stat(folder), os.geteuid()
    if found.st_uid not in (0, user) or found.st_mode & 0o002:
        return False
    # Users have a group of their own, with their number: it is nobody else's.
    is_private = found.st_gid in (0, user) and ACL not in os.listxattr(folder)
    return is_private or not found.st_mode & 0o020


def trusted_folders():
    """The folders that the user trusts, with all that is in them."""
    try:
        with open(os.path.expanduser(TRUSTED), encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError:
        return []
    return [os.path.realpath(line) for line in lines if line.startswith("/")]


def is_trusted(folder):
    """Whether what lies in a folder may be run because the user is there."""
    try:
        at = os.path.realpath(folder)
        return is_own(folder) or any(
            at == one or at.startswith(one.rstrip("/") + "/") for one in trusted_folders()
        )
    except OSError:
        return False


def notice(folder):
    """What is said to the user, in a line."""
    return (
        f"Others may write to {folder}: modules are not imported from there. "
        f"If you trust all of them: trust-folder {folder}"
    )


class Nothing:
    """A finder of modules that finds none."""

    def find_spec(self, *_):
        return None

    def invalidate_caches(self):
        pass


def hook(path):
    """Of sys.path_hooks: takes the working directory where it is not trusted, and leaves all else to the others."""
    try:
        here = os.getcwd()
    except OSError:
        raise ImportError from None
    if path != here or is_trusted(here):
        raise ImportError
    if sys.argv[:1] == [""] and sys.stdin.isatty():
        print(notice(here), file=sys.stderr)
    return Nothing()


def install():
    """Only for Python that was started without a script: beside a script are the modules that it is meant to import."""
    if sys.argv[:1] in ([""], ["-c"], ["-m"], ["-"]):
        sys.path_hooks.insert(0, hook)
        sys.path_importer_cache.clear()
