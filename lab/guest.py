"""What the lab does inside a machine's container from outside, between its making and systemd's first step.

`podman init` makes the container's file systems and stops before its first process; then this goes in by
nsenter and makes it a machine: the volumes' device nodes, files of /etc that are its own, this machine's extra
root certificates and the way to the registries.
"""

import base64
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from lab.disks import LOOP_MAJOR
from lab.shell import attempt, run

DEVICES = "python3 -I /usr/lib/workbench-lab/devices.py"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
# A stand-in for a device that is gone: its filesystem answers everything with an error from here on (EXT4_IOC_SHUTDOWN
# of Linux's include/uapi/linux/ext4.h, which writes nothing more), where a loop device would go on for whom it is open.
SHUT_DOWN = (
    "import fcntl, os, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, b'\\2\\0\\0\\0')"
)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Programs that bring roots of their own, and the variable by which each takes the system's.
TRUST = {
    "SSL_CERT_FILE": BUNDLE, "REQUESTS_CA_BUNDLE": BUNDLE, "PIP_CERT": BUNDLE, "NODE_EXTRA_CA_CERTS": BUNDLE,
    "CURL_CA_BUNDLE": BUNDLE, "UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1",
}  # fmt: skip
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# A proxy, and what a mirror with older lists needs.
APT_SETTINGS = ("::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
REGISTRY_FILES = (Path("/etc/pip.conf"), Path("/etc/npmrc"))


def inside(pid: int, script: str, timeout: float = 60) -> str:
    """Run a shell script with the container's file systems and processes; its commands see no variable of ours."""
    argv = ["nsenter", "--target", str(pid), "--mount", "--pid", "--uts", "--ipc", "--net", "--"]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return run([*argv, "/usr/bin/env", "-i", path, "/bin/sh", "-ec", script], timeout=timeout)


def prepare(pid: int, hostname: str, volumes: Mapping[str, int]) -> None:
    """Ready a container that is about to start; volumes maps each volume's id to its loop device's minor."""
    script = [
        # As systemd does on a machine, but not in a container: else each unit with a sandbox keeps its copy of what is
        # mounted, and a volume stays in use after it was unmounted.
        "mount --make-rshared /",
        # podman puts memory on /tmp; what is there on a machine, the guest's own units say.
        "! mountpoint -q /tmp || umount /tmp",
        # Privileged containers get every device of this machine: a guest must not find its disks.
        "find /dev -xdev -type b -delete; rm -f /dev/kmsg",
        # Ordinary files, as on any machine, which a guest can replace; podman's are mounts, which it cannot.
        own_file("/etc/hostname", hostname + "\n"),
        f"grep -qs {shlex.quote(hostname)} /etc/hosts || {{ {own_hosts(hostname)}; }}",
        "if mountpoint -q /etc/resolv.conf; then cat /etc/resolv.conf > /run/resolv.conf; umount /etc/resolv.conf; "
        "[ -L /etc/resolv.conf ] || cat /run/resolv.conf > /etc/resolv.conf; rm /run/resolv.conf; fi",
        # This machine's sysctl are not the guest's to set.
        "mountpoint -q /proc/sys || { mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys; }",
        *attach_script(volumes),
        *trust_script(),
        *registry_script(),
    ]
    inside(pid, "\n".join(script), timeout=120)


def own_file(path: str, content: str) -> str:
    """Shell: the file at the path, not mounted over, holding the content."""
    return f"mountpoint -q {path} && umount {path}; printf %s {shlex.quote(content)} > {path}"


def own_hosts(hostname: str) -> str:
    lines = f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n::1 localhost ip6-localhost ip6-loopback\n"
    return own_file("/etc/hosts", lines)


def attach_script(volumes: Mapping[str, int]) -> list[str]:
    """Shell: exactly these volumes as NVMe devices; those already there keep their name."""
    wanted = " ".join(f"{by_id(volume)}={minor}" for volume, minor in volumes.items())
    return [
        "mkdir -p /dev/disk/by-id",
        f"""wanted=' {wanted} '
        for link in /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_*; do
            [ -L "$link" ] || continue
            node=$(readlink -f "$link"); minor=$((0x$(stat -c %T "$node" 2>/dev/null || echo fffff)))
            case "$wanted" in
                *" ${{link##*/}}=$minor "*) ;;
                *) at=$(awk -v minor="7:$minor" '$3 == minor {{ print $5; exit }}' /proc/self/mountinfo)
                   [ -z "$at" ] || python3 -I -c {shlex.quote(SHUT_DOWN)} "$at"
                   rm -f "$link" "$node" ;;
            esac
        done
        for volume in $wanted; do
            link=/dev/disk/by-id/${{volume%=*}}
            [ -L "$link" ] && continue
            n=1; while [ -e /dev/nvme${{n}}n1 ]; do n=$((n + 1)); done
            mknod -m 0660 /dev/nvme${{n}}n1 b 7 "${{volume#*=}}"
            chgrp disk /dev/nvme${{n}}n1
            ln -s ../../nvme${{n}}n1 "$link"
        done""",
        DEVICES,
    ]


def by_id(volume_id: str) -> str:
    """The name of a volume's link in /dev/disk/by-id, as udev makes it of the NVMe serial number."""
    return "nvme-Amazon_Elastic_Block_Store_" + volume_id.replace("-", "")


def attach(pid: int, volumes: Mapping[str, int]) -> None:
    """Make a running machine's volumes exactly these."""
    inside(pid, "\n".join(attach_script(volumes)))


def stop_writing(pid: int) -> None:
    """The filesystems of a machine's volumes are as on a disk whose power is cut at this moment."""
    listed = "awk '$3 ~ /^7:/ { print $5 }' /proc/self/mountinfo | sort -u"
    shut = f"python3 -I -c {shlex.quote(SHUT_DOWN)}"
    # of two mounts of one filesystem the second finds it shut down already, which is an error
    inside(pid, f'{listed} | while read -r at; do {shut} "$at" 2>/dev/null || true; done')


def trust_script() -> list[str]:
    """Shell: trust this machine's extra root certificates, where it has any, in everything that downloads."""
    extra = sorted(CERTIFICATES.glob("*.crt")) if CERTIFICATES.is_dir() else []
    if not extra:
        return []
    lines = [
        "folder=/usr/local/share/ca-certificates; before=$(cat $folder/lab-*.crt 2>/dev/null | sha256sum)"
    ]
    lines += [put(f"/usr/local/share/ca-certificates/lab-{file.name}", file.read_bytes()) for file in extra]
    lines += [
        '[ "$before" = "$(cat $folder/lab-*.crt | sha256sum)" ] || update-ca-certificates >/dev/null 2>&1',
        *environment_script(TRUST),
    ]
    return lines


def registry_script() -> list[str]:
    """Shell: what this machine needs to reach the registries, the guest needs too: configuration and proxies."""
    lines = [
        f"[ -e {file} ] || {put(str(file), file.read_bytes())}" for file in REGISTRY_FILES if file.is_file()
    ]
    proxies = {name: os.environ[name] for name in PROXIES if os.environ.get(name)}
    asked = attempt(["apt-config", "dump", "--format", "%F %v%n", "Acquire"]).stdout.splitlines()
    apt = [line.split(maxsplit=1) for line in asked if line.split(" ")[0].endswith(APT_SETTINGS)]
    if settings := [f'{pair[0]} "{pair[1]}";' for pair in apt if len(pair) == 2]:
        lines.append(put("/etc/apt/apt.conf.d/90workbench-lab", ("\n".join(settings) + "\n").encode()))
    return lines + environment_script(proxies)


def environment_script(variables: Mapping[str, str]) -> list[str]:
    """Shell: set the variables for sessions (PAM) and for systemd's services."""
    if not variables:
        return []
    lines = [f"touch /etc/environment; grep -qs '^{name}=' /etc/environment || "
             f"printf '%s\\n' {shlex.quote(f'{name}={value}')} >> /etc/environment"
             for name, value in variables.items()]  # fmt: skip
    names = "-".join(sorted(variables))[:8].lower().strip("_-")
    manager = "[Manager]\n" + "".join(
        f'DefaultEnvironment="{name}={value}"\n' for name, value in variables.items()
    )
    return [*lines, put(f"/etc/systemd/system.conf.d/50-lab-{names}.conf", manager.encode())]


def put(path: str, content: bytes) -> str:
    """Shell: write the file, readable by all."""
    folder = shlex.quote(str(Path(path).parent))
    text = base64.b64encode(content).decode()
    return f"{{ mkdir -p {folder} && echo {text} | base64 -d > {shlex.quote(path)}; }}"


def attached(pid: int) -> dict[str, int]:
    """The EBS volumes that a machine has: names in /dev/disk/by-id, minor numbers of their loop devices."""
    dev = Path(f"/proc/{pid}/root/dev")
    found = {}
    for link in (dev / "disk/by-id").glob("nvme-*"):
        node = dev / link.readlink().name
        number = node.stat().st_rdev if node.exists() else 0
        found[link.name] = os.minor(number) if os.major(number) == LOOP_MAJOR else -1
    return found


def mounted(pid: int, minor: int) -> bool:
    """Whether the machine's mount table has the loop device."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False  # it has ended
    return any(line.split()[2] == f"{LOOP_MAJOR}:{minor}" for line in lines)
