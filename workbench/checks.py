"""Judgements of single values: a CIDR, a user's name, a password hash, a zone, a domain, and the like.

Each takes the value as it was written and gives it back, or raises ValueError with what would be right; the
settings put the key in front.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

from cryptography import x509

from workbench import instance_types

# useradd of Debian's shadow (NAME_REGEX of shadow 4.x; 32 is the length of utmp's field).
ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

# Debian's base-passwd and the packages of the host own these as users, groups, or both; `admin` is the administrator
# of Debian's AMIs. Each user has a group of the same name, so what is taken as a group is no name for a user either.
# What a service takes, its section says (`reserved_names` in workbench/settings/section.py).
RESERVED_NAMES = frozenset(
    "root admin daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape sudo "
    "audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games users nogroup nobody "
    "netdev bluetooth scanner lpadmin pulse pulse-access ssl-cert crontab messagebus input sgx clock render kvm wheel "
    "systemd-journal systemd-network systemd-timesync systemd-resolve systemd-coredump polkitd sync gnats tcpdump "
    "_apt _chrony _ssh _rpc sshd ssh uuidd avahi lxd postfix postdrop unattended-upgrades workbench-admins "
    "workbench-users everybody".split()
)

# The methods of crypt(5) in Debian that are still sound: yescrypt, gost-yescrypt, scrypt, bcrypt, sha512, sha256.
PASSWORD_HASH = re.compile(r"\$(?:y|gy|7|2[aby]|6|5)\$[./A-Za-z0-9$=,]{20,}")

# RFC 1918
PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))

ZONE = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]")
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
EMAIL = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+\.[^\s@<>\"',;]+")
# Debian Policy, 5.6.1: at least two of a-z, 0-9, + - ., the first a letter or digit.
DEBIAN_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
R_VERSION = re.compile(r"[34]\.\d{1,2}\.\d{1,2}")
PYTHON_VERSION = re.compile(r"3\.(\d{1,2})(?:\.\d{1,2})?")
OLDEST_PYTHON = 10  # ipykernel 7 needs 3.10
RSTUDIO_VERSION = re.compile(r"\d{4}\.\d{2}\.\d+\+\d+")
SHA256 = re.compile(r"[0-9a-f]{64}")
TITLE_LENGTH = 60  # characters: a line on a phone, or two
NOTICE_LENGTH = 500  # characters, as the host's program has it (workbench_host/notice.py)
DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def cidr(value: str) -> str:
    """An IPv4 range in its plain form, such as 203.0.113.0/24."""
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        try:
            loose = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError("is no IPv4 range; takes one such as 203.0.113.7/32") from error
        raise ValueError(f"has bits set behind its mask; {loose} would be right") from error
    if network.version != 4:
        raise ValueError("is IPv6, but the workbench's network is IPv4; takes a range such as 203.0.113.7/32")
    if "/" not in value:
        raise ValueError(f"lacks its mask; {network} would be right")
    return str(network)


def reaches_far(cidrs: Sequence[str]) -> bool:
    """Whether IPv4 ranges together are wider than a /8: more than anybody's own.

    Counted together, so that 0.0.0.0/1 and 128.0.0.0/1 are the internet that they are. Private ranges, alone or beside
    a few public addresses (fewer than a /16), are nobody's from afar.
    """
    ranges = ipaddress.collapse_addresses(ipaddress.IPv4Network(cidr) for cidr in cidrs)
    sizes = {network: network.num_addresses for network in ranges}
    public = sum(
        size for network, size in sizes.items() if not any(network.subnet_of(one) for one in PRIVATE)
    )
    return sum(sizes.values()) > 2**24 and public >= 2**16


def user_name(value: str) -> str:
    """A name that Linux takes for a user and that nobody else owns."""
    return _account_name(value, "user")


def group_name(value: str) -> str:
    """A name that Linux takes for a group and that is not the system's."""
    return _account_name(value, "group")


def _account_name(value: str, kind: str) -> str:
    if not ACCOUNT_NAME.fullmatch(value):
        raise ValueError(
            f"is no {kind} name that Linux takes: at most 32 of a-z, 0-9, _ and -, the first a letter or _"
        )
    if value in RESERVED_NAMES:
        raise ValueError("is reserved for the system; choose another name")
    return value


def web_address(value: str) -> str:
    """An http or https address, without a trailing slash."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value) or not _has_server(value):
        raise ValueError("is no web address; takes one such as https://mirror.example.org/debian")
    return value.rstrip("/")


def _has_server(address: str) -> bool:
    """Whether a host, and a port if any, can be told from an address, as all that reads it later does."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        if "[" in parts.netloc:  # of what else stands beside the brackets, urlsplit takes no notice
            written = re.fullmatch(r"(?:.*@)?\[([^\[\]]+)\](?::\d*)?", parts.netloc)
            return port != 0 and written is not None and bool(ipaddress.IPv6Address(written[1]))
    except ValueError:
        return False
    return bool(host) and port != 0


def password_hash(value: str) -> str:
    """A hash in the form of crypt(5); the value itself is in no message, since it may be a clear password."""
    if not PASSWORD_HASH.fullmatch(value):
        raise ValueError("is not a password hash (clear text is refused); `workbench password` makes one")
    return value


def zone(value: str) -> str:
    """An availability zone's name."""
    if not ZONE.fullmatch(value):
        raise ValueError("is no availability zone; takes a name such as eu-west-1a")
    return value


def instance_type(value: str) -> str:
    """A name of the form that AWS gives its types; whether there is such a type, AWS knows."""
    close = ", ".join(instance_types.similar(value)) or "t3.large"
    if not INSTANCE_TYPE.fullmatch(value):
        raise ValueError(f"is no instance type; takes one such as {close}")
    if instance_types.is_xen(value):
        raise ValueError(
            f"is of the generation before Nitro, where the data volume has another name on the host; takes {close}"
        )
    return value


def domain(value: str) -> str:
    """A fully qualified host name, in lower case, without a trailing dot (RFC 1123, 2.1)."""
    labels = value.split(".")
    if len(value) > 253 or len(labels) < 2 or not all(DOMAIN_LABEL.fullmatch(label) for label in labels):
        raise ValueError("is no domain name; takes a name such as bench.example.org")
    if labels[-1].isdigit():  # no top-level domain is a number, so that names and addresses can be told apart
        raise ValueError("is an address, not a domain name; takes a name such as bench.example.org")
    return value


def email(value: str) -> str:
    """An address such as ada@example.org; whether somebody reads there, nobody can tell."""
    if not EMAIL.fullmatch(value):
        raise ValueError("is no e-mail address; takes one such as ada@example.org")
    return value


def server_name(value: str) -> str:
    """A host's name (RFC 1123, 2.1), of one label or more, or an IPv4 address; without a port."""
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        labels = value.split(".")
    named = len(value) <= 253 and all(DOMAIN_LABEL.fullmatch(label) for label in labels)
    if not named or labels[-1].isdigit():
        raise ValueError(
            "is no server's name; takes one such as smtp.example.org, without a port or https://"
        )
    return value


def one_line(value: str) -> str:
    """Text that is not empty and has no line break or other character that cannot be printed."""
    if not value or not value.isprintable():
        raise ValueError("is empty or not one line of text")
    return value


def webhook(value: str) -> str:
    """An https address that something can be posted to, with whatever path and query it has. It is a secret."""
    try:
        parts = urlsplit(value)
        fits = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not value.isascii() or re.search(r"\s", value):
        raise ValueError("is no address of a webhook; takes one that begins with https://")
    return value


def contact(value: str) -> str:
    """One line for people to read; a web address in it is a whole one, since the landing page links to it."""
    if len(value) > 200 or not value.isprintable():
        raise ValueError("is too long or not one line; takes at most 200 characters, such as ada@example.org")
    return web_address(value) if value.startswith(("http:", "https:")) else value.strip()


def title(value: str) -> str:
    """A short name for people to read, in one line of plain text, with single spaces."""
    line = _plain_line(value)
    if not line:
        raise ValueError("is empty; takes a name, such as Workbench of the group")
    if len(line) > TITLE_LENGTH:
        raise ValueError(f"has {len(line)} characters; takes at most {TITLE_LENGTH}")
    return line


def notice(value: str) -> str:
    """One line of text for everybody's pages and terminals, with single spaces; empty where nothing is said.

    Without what is no text, such as the escape sequences that terminals obey, and characters that nobody sees or that
    turn others round.
    """
    line = _plain_line(value)
    if len(line) > NOTICE_LENGTH:
        raise ValueError(f"has {len(line)} characters; takes at most {NOTICE_LENGTH}")
    return line


def _plain_line(value: str) -> str:
    spaced = (" " if one in "\t\r\n" or unicodedata.category(one) == "Zs" else one for one in value)
    line = re.sub(" +", " ", "".join(spaced)).strip()
    for one in line:
        if not one.isprintable():
            raise ValueError(f"holds the character U+{ord(one):04X}; takes one line of plain text")
    return line


def certificate(value: str) -> str:
    """One certificate or more in PEM, as RFC 7468 has it."""
    try:
        x509.load_pem_x509_certificates(value.encode())
    except ValueError:
        raise ValueError(
            "is no certificate; takes the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
        ) from None
    return value.strip() + "\n"


def whole_internet(cidrs: Sequence[str]) -> bool:
    """Whether IPv4 ranges together leave nothing out."""
    networks = (ipaddress.IPv4Network(cidr) for cidr in cidrs)
    return any(network.prefixlen == 0 for network in ipaddress.collapse_addresses(networks))


def sha256(value: str) -> str:
    """A SHA-256 digest as `sha256sum` prints it."""
    if not SHA256.fullmatch(value):
        raise ValueError("is no sha256; takes the 64 digits (0-9, a-f) that `sha256sum FILE` prints")
    return value


def debian_package(value: str) -> str:
    """A name that Debian's packages may have; whether there is such a package, the host knows."""
    if not DEBIAN_PACKAGE.fullmatch(value) or value.endswith("-"):  # with which apt-get is told to remove it
        raise ValueError(
            "is no name of a Debian package; takes one such as libgdal-dev, without a version or architecture"
        )
    return value


def r_version(value: str) -> str:
    """A release of R, in full."""
    if not R_VERSION.fullmatch(value):
        raise ValueError("is no version of R; takes its three numbers, such as 4.4.3")
    return value


def python_version(value: str) -> str:
    """A Python that kernels run on: a minor version (then its newest release) or one release."""
    match = PYTHON_VERSION.fullmatch(value)
    if not match or int(match[1]) < OLDEST_PYTHON:
        raise ValueError(
            f"is no version of Python that a kernel runs on; takes 3.{OLDEST_PYTHON} or later, such as 3.12 or 3.12.11"
        )
    return value


def rstudio_version(value: str) -> str:
    """A release of RStudio Server, as Posit writes it."""
    if not RSTUDIO_VERSION.fullmatch(value):
        raise ValueError("is no version of RStudio Server; takes one such as 2026.07.0+139")
    return value
