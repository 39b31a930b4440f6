"""Lines of authorized_keys: the public keys that sshd takes, with their options (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

A line with an option that sshd does not know is one that it passes over without a word, so it is refused here.
"""

import datetime
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

_KINDS = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
# What a line begins with that EC2 imports as a key pair. Source: AWS, "Create a key pair for your Amazon EC2 instance".
EC2_TYPES = ("ssh-ed25519 ", "ssh-rsa ")

# The options by auth-options.c of OpenSSH 10, with the form of their values where they have one.
_ANY = r'(?:[^"\\]|\\"|\\(?!"))*'  # a backslash escapes a quote, and nothing else
_FLAG = (
    "restrict|cert-authority|(?:no-)?(?:agent-forwarding|port-forwarding|x11-forwarding|pty|user-rc|touch-required|"
    "verify-required)"
)
_VALUE = "|".join(
    f'{name}="(?:{form})"'
    for name, form in {
        "command": _ANY,
        "environment": rf"[a-z0-9_]+={_ANY}",
        "expiry-time": r"\d{8}(?:\d{4}(?:\d\d)?)?z?",
        "from": _ANY,
        "permitlisten": r'(?:[^"]+:)?(?:\d+|\*)',
        "permitopen": r'[^"]+:(?:\d+|\*)',
        "principals": _ANY,
        "tunnel": r"any|\d+(?::\d+)?",
    }.items()
)
_OPTIONS = re.compile(rf"(?:{_FLAG}|{_VALUE})(?:,(?:{_FLAG}|{_VALUE}))*", re.IGNORECASE)
_ONCE = ("command=", "from=", "principals=")

# What can keep a key from what a deploy needs: any command, without a terminal, from where it runs now or later, and
# with nobody to type a PIN. Of `restrict` and the `no-` ones it needs nothing, and sshd ignores `environment`.
_BARRIERS = {"cert-authority", "command", "from", "verify-required"}
_OPTION = re.compile(rf'([a-z0-9-]+)(?:="({_ANY})")?', re.IGNORECASE)
_SOON = datetime.timedelta(
    days=1
)  # an expiry-time without Z is in the server's time zone, which is not known here

_KIND = "|".join(map(re.escape, _KINDS))
_LINE = re.compile(
    rf'(?:(?P<options>(?:[^\s"]|"{_ANY}")+)[ \t]+)?'
    rf"(?P<kind>{_KIND})[ \t]+(?P<blob>[A-Za-z0-9+/]+=*)(?:\s+(?P<comment>.*))?"
)
_FURTHER = re.compile(rf"(?:^|\s)(?:{_KIND})\s+AAAA")
_RIGHT = "takes one line of a .pub file, such as 'ssh-ed25519 AAAA... name'"


def line(value: str) -> str:
    """The line with one space between its parts: options, type, base64, comment.

    Raises ValueError where it is none that sshd takes.
    """
    text = value.strip()
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key, which belongs in no settings; takes the line of the .pub file")
    if "\n" in text or not (parts := _LINE.fullmatch(text)):
        raise ValueError(f"is no SSH public key; {_RIGHT}")
    options, kind, blob, comment = parts.group("options", "kind", "blob", "comment")
    if _FURTHER.search(comment or ""):
        raise ValueError("holds two keys; takes one, and each further one is an entry of its own")
    try:
        load_ssh_public_key(f"{kind} {blob}".encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            f"is no SSH public key: its base64 is cut, damaged, or not that of a key of type {kind}; {_RIGHT}"
        ) from error
    if options is not None:
        _judge(options)
    return " ".join(part for part in (options, kind, blob, " ".join((comment or "").split())) if part)


def bare(value: str) -> str:
    """A line's key without options and comment, `ssh-ed25519 AAAA...`; empty where there is none in it."""
    parts = _LINE.fullmatch(value.strip())
    return f"{parts['kind']} {parts['blob']}" if parts else ""


def barrier(value: str) -> str:
    """The option of a line that can keep a deploy out which has its key, as it stands there; "" where none can.

    That is also an expiry-time which is past, or will be within a day.
    """
    parts = _LINE.fullmatch(value.strip())
    for option in _OPTION.finditer(parts["options"] or "") if parts else ():
        name = option[1].lower()
        if name in _BARRIERS or (name == "expiry-time" and _is_past(option[2])):
            return option[0]
    return ""


def _is_past(expiry: str) -> bool:
    """Of YYYYMMDD[HHMM[SS]][Z]. sshd refuses a key whose date is none."""
    try:
        until = datetime.datetime.strptime(
            expiry.upper().rstrip("Z").ljust(14, "0") + "+0000", "%Y%m%d%H%M%S%z"
        )
    except ValueError:
        return True
    return until < datetime.datetime.now(datetime.UTC) + _SOON


def _judge(options: str) -> None:
    names = re.sub(rf'"{_ANY}"', "", options).lower().split(",")
    if not _OPTIONS.fullmatch(options):
        raise ValueError(
            f"begins with {options}, which are no options of authorized_keys; sshd(8) lists them"
        )
    for name in _ONCE:
        if names.count(name) > 1:
            raise ValueError(f"has the option {name.rstrip('=')} twice, which sshd refuses; takes it once")
    if "principals=" in names and "cert-authority" not in names:
        raise ValueError("has the option principals, which sshd takes with cert-authority only")
