"""certificate choose | obtain [--check [--given]] | spare

Which certificate the proxy shows for the workbench's name. /etc/workbench/certificate.json says what is wanted:
{"domain", "address", "server", "root", "open"}; "server" is null where the workbench's own CA is to vouch, "root" a PEM
file or null, "open" whether everybody may connect to this host.

The proxy imports /etc/workbench/caddy/certificate.caddy, which is a copy of acme.caddy or of own.caddy beside it:

choose  before the proxy starts: acme.caddy where the data volume holds a valid certificate of that CA, else own.caddy.
        So a server that was rebuilt asks nobody again, and one that has no certificate yet serves in the meantime.
obtain  once the proxy runs: finds out whether a CA could reach it, and only then switches to acme.caddy, with which
        Caddy asks. When that is refused it goes back to own.caddy and says why: asked once a deploy, never in a loop,
        since a CA counts failures (Let's Encrypt: 5 an hour for a name).

spare   as Caddy's user, by a timer: keeps a copy of the CA's certificate beside the data volume, in a folder of that
        user alone. Where the volume is missing, browsers that insist on such a certificate (HSTS) still see the page
        that says so.

Caddy itself could fall back to its own CA (two issuers), but would do so at a failed renewal too, and put a
certificate that nobody knows in the place of one that is good for weeks.

--check changes nothing: exit status 0 where nothing would change, else 3. Killed at any point, the next run of both
goes on from there.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench_host import tools
from workbench_host.tools import DATA_VOLUME, WOULD_CHANGE, FailureError, write

if TYPE_CHECKING:
    import ssl

Config = Mapping[str, Any]

CONFIG = Path(tools.CONFIG) / "certificate.json"
CADDY = Path(tools.CONFIG) / "caddy"
STORED = Path(DATA_VOLUME) / "caddy" / "certificates"
ACME, OWN, CHOSEN = "acme.caddy", "own.caddy", "certificate.caddy"
RELOAD = ("systemctl", "restart", "caddy-reload.service")
REFUSED = "could not get certificate from issuer"  # Caddy's words in its journal
WAIT_SECONDS = 120
DONE = {"choose": "chosen", "obtain": "obtained", "spare": "kept"}
SPARE = Path("/var/lib/workbench-certificate")
TIMEOUT_SECONDS = 15


def is_valid(certificate: Path) -> bool:
    """Whether the PEM file is a certificate that has not expired."""
    judge = ("openssl", "x509", "-noout", "-checkend", "0", "-in", str(certificate))
    return subprocess.run(judge, capture_output=True, check=False).returncode == 0


def stored(config: Config) -> Path | None:
    """The valid certificate of the domain that Caddy keeps from the wanted CA, or None.

    Caddy keeps certificates in a folder for each CA, with a .json that names the address it was got from.
    """
    for note in STORED.glob(f"*/{config['domain']}/{config['domain']}.json"):
        try:
            origin = (json.loads(note.read_text()).get("issuer_data") or {}).get("ca")
        except (OSError, ValueError):
            continue  # half-written: Caddy asks again
        certificate = note.with_suffix(".crt")
        if origin == config["server"] and is_valid(certificate):
            return certificate
    return None


def wanted(config: Config) -> str:
    return ACME if config["server"] and stored(config) else OWN


def is_chosen(name: str) -> bool:
    chosen = CADDY / CHOSEN
    return chosen.exists() and chosen.read_bytes() == (CADDY / name).read_bytes()


def put(name: str) -> None:
    """Makes it the one in use, in one step."""
    write(CADDY / CHOSEN, (CADDY / name).read_bytes())


def choose(config: Config, check: bool) -> int:
    name = wanted(config)
    if is_chosen(name):
        return 0
    if check:
        print("show a certificate of " + (config["server"] if name == ACME else "the workbench's own CA"))
        return WOULD_CHANGE
    put(name)
    return 0


def trust(config: Config) -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context()
    if config["root"]:
        context.load_verify_locations(config["root"])
    return context


def preflight(config: Config) -> None:
    """Raises FailureError where a CA would find another server or none; nothing was asked of it then."""
    import socket

    domain, address = config["domain"], config["address"]
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(domain, 80, type=socket.SOCK_STREAM)}
    except socket.gaierror as error:
        raise FailureError(
            f"workbench:domain is {domain}, which DNS does not know ({error.strerror}); its record, or the delegation "
            "of its zone, has to be made first"
        ) from None
    if found != {address}:
        raise FailureError(
            f"workbench:domain is {domain}, which leads to {', '.join(sorted(found))}, but this server's address is "
            f"{address}; a CA would ask there"
        )
    if config["open"]:
        reach(domain, address)
    ask_directory(config)


def reach(domain: str, address: str) -> None:
    """Raises FailureError where port 80 of the address is not answered by this host's proxy."""
    import http.client

    connection = http.client.HTTPConnection(address, 80, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": domain})
        where = connection.getresponse().getheader("Location", "")
    except (OSError, http.client.HTTPException) as error:
        raise FailureError(
            f"port 80 of {domain} ({address}) does not answer ({error}), so no CA could reach it either; "
            "workbench:webFrom and the network's own rules decide who may connect"
        ) from None
    finally:
        connection.close()
    if not where.startswith(f"https://{domain}"):
        raise FailureError(
            f"port 80 of {domain} ({address}) is answered by something that is not this workbench"
        )


def ask_directory(config: Config) -> None:
    """Raises FailureError where the CA's address is none of an ACME server (RFC 8555, 7.1.1)."""
    import ssl
    import urllib.error
    import urllib.request

    said = f"services.proxy.acmeServer is {config['server']}, which"
    try:
        with urllib.request.urlopen(
            config["server"], timeout=TIMEOUT_SECONDS, context=trust(config)
        ) as answer:
            directory = json.load(answer)
    except urllib.error.HTTPError as error:
        raise FailureError(f"{said} answers with status {error.code}") from None
    except urllib.error.URLError as error:
        untrusted = isinstance(error.reason, ssl.SSLCertVerificationError)
        hint = "; a private CA's root certificate belongs in services.proxy.acmeRoot" if untrusted else ""
        raise FailureError(f"{said} cannot be reached ({error.reason}){hint}") from None
    except (OSError, ValueError) as error:
        raise FailureError(f"{said} does not answer as an ACME server does ({error})") from None
    if not isinstance(directory, dict) or "newOrder" not in directory:
        raise FailureError(f"{said} is no ACME directory")


def refusal(since: int) -> str | None:
    """Why the CA gave no certificate, from what Caddy wrote to the journal since then; None so far."""
    command = ("journalctl", "--unit=caddy", "--output=cat", f"--since=@{since}")
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        if REFUSED in line:
            try:
                return str(json.loads(line).get("error", "it did not say why"))
            except ValueError:
                return line
    return None


def obtain(config: Config, check: bool) -> int:
    if not config["server"] or (is_chosen(ACME) and stored(config)):
        return 0
    if check:
        print(f"ask {config['server']} for a certificate of {config['domain']}")
        return WOULD_CHANGE
    try:
        preflight(config)
        ask(config)
    except FailureError as failure:
        print(
            f"{failure}. Until that is put right and deployed again, the workbench shows a certificate of its own CA.",
            file=sys.stderr,
        )
        return 1
    return 0


def ask(config: Config) -> None:
    """Lets Caddy ask the CA, and waits for its answer; raises FailureError where it is no.

    However it ends without a certificate, the own CA's is the one in use: a restarted Caddy would ask again.
    """
    try:
        reason = answer(config)
    except (FailureError, OSError):
        put(OWN)
        raise
    if reason is None:
        return
    put(OWN)
    reload()
    raise FailureError(
        f"the CA of services.proxy.acmeServer ({config['server']}) gave no certificate for {config['domain']}: {reason}"
    )


def answer(config: Config) -> str | None:
    """Why the CA gave no certificate, None where it gave one; raises FailureError where Caddy could not ask it."""
    since = int(time.time())
    put(ACME)
    reload()
    while time.time() < since + WAIT_SECONDS:
        if stored(config):
            return None
        time.sleep(1)
        if reason := refusal(since):
            return reason
    return f"no answer within {WAIT_SECONDS} s"


def spare(config: Config) -> int:
    """Copies certificate and key, where they are others than before; takes the copy away where there is none."""
    certificate = stored(config) if config["server"] else None
    pairs = {SPARE / "crt": certificate, SPARE / "key": certificate and certificate.with_suffix(".key")}
    for copy, source in pairs.items():
        if source is None:
            copy.unlink(missing_ok=True)
        elif not copy.exists() or copy.read_bytes() != source.read_bytes():
            write(copy, source.read_bytes(), 0o600)
    return 0


def reload() -> None:
    """Has the proxy read its configuration again."""
    try:
        tools.run(*RELOAD)
    except FailureError as failure:
        raise FailureError(
            f"the proxy did not take its configuration ({failure}); `journalctl -u caddy-reload` says why"
        ) from None


def main(arguments: Sequence[str]) -> int:
    what, *flags = arguments
    config = json.loads(tools.wanted(CONFIG, flags))
    try:
        if what == "spare":
            return spare(config)
        return {"choose": choose, "obtain": obtain}[what](config, "--check" in flags)
    except OSError as error:
        print(f"The certificate cannot be {DONE[what]}: {tools.reason(error)}.", file=sys.stderr)
        return 1
