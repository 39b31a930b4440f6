"""authority make | renew [--check [--given]] | outlive

The workbench's own CA, which vouches for it where no other one does. Who imports its certificate lets it vouch for this
workbench and for nothing else: it is constrained to the name and the address in /etc/workbench/certificate.json
({"domain", "address"}; without a domain both are the address), by name constraints (RFC 5280, 4.2.1.10), to
certificates of web servers, and to two years.

make    as Caddy's user, before Caddy starts: puts a CA where Caddy keeps its own, unless there is one that will do.
        Caddy would make one that may vouch for anybody for ten years. Its own intermediate certificates follow from it.
renew   as root, by the deploy: has Caddy start again where its CA will do no more.
outlive as root, by a timer: the same where its CA ends within two weeks, and nobody has deployed since it was due.

One will do as long as it permits what is wanted, and for sixty more days. Another name or address is another CA, and
who imported the old one has to import the new: /etc/workbench/ca.crt.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from workbench_host import tools
from workbench_host.tools import CLEAN, DATA_VOLUME, WOULD_CHANGE

Config = Mapping[str, Any]

CONFIG = Path(tools.CONFIG) / "certificate.json"
PUBLISHED = Path(tools.CONFIG) / "ca.crt"
STATE = Path(DATA_VOLUME) / "caddy"
# As Caddy lays out its storage: the authority's files, and the certificates that it gave.
AUTHORITY, GIVEN = Path("pki/authorities/local"), Path("certificates/local")
DAYS, LEAST_DAYS = 730, 60
LAST_DAYS = 14  # Caddy signs with certificates of seven days, which must not outlive the CA's own
# With no name permitted all names would be: constraints hold by kind. No name ends so (RFC 6761, 6.4).
NO_NAME = "workbench.invalid"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256")


def permitted(config: Config) -> list[str]:
    """What a CA may vouch for, as openssl prints it."""
    host, names = config["domain"], []
    try:
        ip_address(host)
    except ValueError:
        names = [host]
    address = f"IP:{config['address']}/255.255.255.255"
    return [*(f"DNS:{name}" for name in names or [NO_NAME]), address]


def will_do(certificate: Path, config: Config) -> bool:
    """Whether the PEM file is the certificate of a CA that permits what is wanted, and not all, for long enough."""
    asked = ("openssl", "x509", "-in", str(certificate), "-noout")
    constraints = subprocess.run(
        [*asked, "-ext", "nameConstraints"], capture_output=True, text=True, check=False
    )
    allowed = constraints.stdout.partition("Permitted:")[2].split()
    needed = set(permitted(config)) - {f"DNS:{NO_NAME}"}
    lasts = lasts_for(certificate, LEAST_DAYS)
    return lasts and needed <= set(allowed) and any(one.startswith("DNS:") for one in allowed)


def lasts_for(certificate: Path, days: int) -> bool:
    """Whether the PEM file is a certificate that has more than these days left."""
    asked = ("openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(days * 86400))
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def make(config: Config) -> int:
    """Puts a new CA in the place of one that will not do, with nothing left of what that one gave."""
    place, new = STATE / AUTHORITY, STATE / "pki" / "new"
    if will_do(place / "root.crt", config) and (place / "root.key").exists():
        return 0
    for former in (new, STATE / GIVEN, place):
        shutil.rmtree(former, ignore_errors=True)
    new.mkdir(parents=True, mode=0o700)
    sign(config, new)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new.rename(place)
    tools.sync_folder(str(place.parent))
    return 0


def sign(config: Config, folder: Path) -> None:
    """Makes root.key and root.crt in the folder, which is its owner's alone."""
    day = datetime.now(UTC).date()
    constraints = ",".join(f"permitted;{one}" for one in permitted(config))
    extensions = {
        "basicConstraints": "critical,CA:TRUE",
        "keyUsage": "critical,keyCertSign,cRLSign",
        "extendedKeyUsage": "serverAuth",
        "nameConstraints": f"critical,{constraints}",
        "subjectKeyIdentifier": "hash",
    }
    options = [part for name, value in extensions.items() for part in ("-addext", f"{name}={value}")]
    tools.run(
        *("openssl", "req", "-x509", *CURVE, "-noenc", "-days", str(DAYS)),
        *("-subj", f"/O=Workbench/CN={re.sub('[^a-z0-9.:-]', '', config['domain'])[:40]} since {day}"),
        *("-keyout", str(folder / "root.key"), "-out", str(folder / "root.crt"), *options),
    )


def renew(config: Config, check: bool) -> int:
    if not PUBLISHED.exists() or will_do(PUBLISHED, config):
        return CLEAN  # without one, Caddy has not run yet
    if check:
        print(
            f"a new CA of the workbench's own, for {config['domain']}: who imported the one before has to import "
            f"{PUBLISHED} anew"
        )
        return WOULD_CHANGE
    tools.run("systemctl", "restart", "caddy.service")
    return 0


def outlive() -> int:
    """Before the CA ends, which nobody's trust in it outlives: who imported it loses little by another one."""
    if PUBLISHED.exists() and not lasts_for(PUBLISHED, LAST_DAYS):
        print(
            f"The workbench's own CA was about to end: there is a new one, to be imported anew, {PUBLISHED}"
        )
        tools.run("systemctl", "restart", "caddy.service")
    return 0


def main(arguments: Sequence[str]) -> int:
    what, *flags = arguments
    if what == "outlive":
        return outlive()
    config = json.loads(tools.wanted(CONFIG, flags))
    return make(config) if what == "make" else renew(config, "--check" in flags)
