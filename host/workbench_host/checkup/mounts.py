"""Folders of users' that should be mounts of their own, and are not so mounted as they should be."""

import os

from workbench_host.accounts import shared

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - looked at, not used


def report() -> dict[str, list[str]]:
    """{setuid: places where set-user-ID and set-group-ID count, joined: shared folders that are no mounts}."""
    return {
        "setuid": [path for path in TEMPORARY if not os.statvfs(path).f_flag & os.ST_NOSUID],
        "joined": shared.joined(),
    }
