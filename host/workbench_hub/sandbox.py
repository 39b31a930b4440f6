"""What a user's server may not do, as properties of its unit. What it is worth, docs/security.md says ("Units").

All that its user runs from notebooks and terminals inherits it, so it takes away nothing that a person may do over SSH.
"""

from collections.abc import Mapping

# Nobody misses these, not even an administrator who uses sudo.
EVERYBODY: Mapping[str, str] = {
    "KeyringMode": "private",
    "LockPersonality": "yes",
    "RestrictRealtime": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap",
}
# Without sudo one could not do these anyway. Not for those who may become root: what they mount is to be seen by all.
WITHOUT_ROOT: Mapping[str, str] = {
    "CapabilityBoundingSet": "",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    # Some of these give the unit a /proc of its own, which shows everything unless it is told not to.
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "ReadWritePaths": "-/home -/srv/workbench -/tmp -/var/tmp -/run -/dev/shm -/dev/mqueue",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
}


def properties(*, elevated: bool) -> dict[str, str]:
    """The properties of a user's unit; `elevated` where sudo, or programs with capabilities (Podman's), are to work."""
    return {**EVERYBODY, **({} if elevated else WITHOUT_ROOT)}
