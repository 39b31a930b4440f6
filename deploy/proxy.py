"""Caddy: TLS, the landing page, and a path for every enabled service that has one.

It is the only program that listens to the world. Nothing here knows any service by name: path, title and port are in
the settings. Without a domain the certificate is of Caddy's own CA, with one it is an ACME CA's (RFC 8555), which the
program `certificate` asks once it knows that the CA can reach this host (workbench_host/certificate.py). CA, account
and certificates are on the data volume, in /srv/workbench/caddy (user caddy, 0700), so that a rebuilt server shows the
same ones and asks nobody again; the own CA's certificate, which is public, is copied to /etc/workbench/ca.crt (0644),
where `workbench` fetches it over SSH. HSTS comes with a certificate that browsers trust, and only then: one that met a
certificate it did not know could not go on.
"""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pyinfra.api.deploy import deploy

from deploy import files, pages, programs, units, uv
from deploy.service import Service
from workbench import checks, settings
from workbench.host import program_path
from workbench.settings.section import Judge, Passage
from workbench.stack import Context
from workbench_host.accounts import apps
from workbench_host.pages import TITLE
from workbench_host.tools import PROXIES
from workbench_host.volume.presence import PAGE_UNIT

ENVIRONMENT = uv.Environment("caddy")
USER = PROXIES
FOLDER = f"{programs.CONFIG}/caddy"
CONFIG = f"{FOLDER}/Caddyfile"
WANTED = f"{programs.CONFIG}/certificate.json"
CERTIFICATE = f"{FOLDER}/certificate.caddy"  # the program `certificate` chooses what it says
ACME_ROOT = f"{FOLDER}/acme-root.crt"
CA = f"{programs.CONFIG}/ca.crt"
SITE = f"{pages.FOLDER}/site"
STATE = "/srv/workbench/caddy"
ADMIN = "unix//run/caddy/admin.sock"
UNIT = "caddy.service"
RELOAD_UNIT = "caddy-reload.service"
AUTHORITY_UNIT = "workbench-authority.service"  # by a timer
# In Caddy's place while the data volume is missing; and who keeps what that needs beside the volume.
MISSING_UNIT, SPARE_UNIT = PAGE_UNIT, "workbench-spare.service"
MISSING_FOLDER, SPARE_FOLDER = "workbench-missing", "workbench-certificate"
MISSING_CONFIG = f"{FOLDER}/missing.caddy"
MISSING_PAGE = "missing.html"
LANDING = "index.html"
TROUBLE = (
    "404.html",
    "refused.html",
    "server.html",
    "unavailable.html",
    "webapp.html",
)  # pages in the place of others
PARTS = ("site.css", "landing.js", "notice.css", "notice.js", "icon.svg")
PAGES = (LANDING, *TROUBLE, *PARTS)


@dataclass(frozen=True)
class Entry:
    """An enabled service as the proxy and the landing page see it: `path` begins and ends with a slash.

    With `strip_path` the service does not see that path, with `path_header` it hears of it in a header of this name.
    One with `pages` shows apps of users' own, whose `upstream` is each user's; its own pages are in that folder.
    `rules` is a template of what else the proxy does below the path.
    """

    name: str
    title: str
    summary: str
    path: str
    upstream: str
    passage: Passage | None = None
    judge: Judge | None = None
    pages: str | None = None
    strip_path: bool = False
    path_header: str | None = None
    sign_in: settings.SignIn | None = None
    rules: str | None = None


def entries(services: settings.Services) -> list[Entry]:
    """The enabled services that have a page, in the order of the settings."""
    return [entry(name, service, service.path) for name, service in services.enabled() if service.path]


def entry(name: str, service: settings.Service, path: str) -> Entry:
    """The entry of one service."""
    return Entry(
        name=name,
        title=service.title,
        summary=inspect.getdoc(service) or "",
        path=path,
        upstream=f"unix/{apps.FOLDER}/{{re.user.1}}/{apps.SOCKET}" if service.apps else service.upstream,
        passage=service.passage,
        judge=service.judge,
        pages=pages.folder(name) if service.apps else None,
        strip_path=service.strip_path,
        path_header=service.path_header,
        sign_in=service.sign_in,
        rules=service.rules,
    )


@deploy("proxy")
def proxy(context: Context) -> None:
    """Caddy, the pages, a configuration that Caddy has judged before it is used, and its certificate."""
    uv.environment(ENVIRONMENT, context.settings.mirrors)
    _certificate(context)
    variables = _variables(context)
    _pages(context, variables)
    files.template(
        "proxy/Caddyfile.j2",
        CONFIG,
        variables={
            "site": SITE,
            "admin": ADMIN,
            "certificate": CERTIFICATE,
            "apps": apps.FOLDER,
            "listed_apps": PurePosixPath(pages.LISTED_APPS),
            **variables,
        },
        validate=validation(),
    )
    files.template(
        f"proxy/{PurePosixPath(MISSING_CONFIG).name}.j2",
        MISSING_CONFIG,
        variables={"site": SITE, "state": f"/run/{MISSING_FOLDER}", **variables},
        validate=validation(),
    )
    _run()


def _variables(context: Context) -> dict[str, Any]:
    """What pages and configurations say of this workbench."""
    own = context.settings.services.proxy
    return {
        "services": entries(context.settings.services),
        "host_name": context.outputs.host_name,
        "title": context.settings.title,
        "notice": own.notice,
        "contact": own.contact,
        "contact_link": contact_link(own.contact),
        "named": context.outputs.host_name == context.settings.domain,
    }


def _pages(context: Context, variables: Mapping[str, Any]) -> None:
    # What programs of the host have on their pages, who read it for each.
    files.put(content=files.Content(context.settings.title.encode()), dest=str(TITLE), name=str(TITLE))
    for page in (LANDING, MISSING_PAGE, *TROUBLE):
        files.template(f"proxy/{page}.j2", f"{SITE}/{page}", variables=variables)
    for page in PARTS:
        files.copy(f"proxy/{page}", f"{SITE}/{page}")


@deploy("proxy")
def certificate(context: Context) -> None:
    """The certificate of `domain`, last of all: where a CA gives none, the deploy ends with why."""
    if _directory(context) is not None:
        programs.run(
            program="certificate",
            arguments=["obtain"],
            reads=WANTED,
            name="Obtain the certificate of domain",
        )


def _certificate(context: Context) -> None:
    """What the program `certificate` chooses from and is to know, and its choice for the start."""
    own = context.settings.services.proxy
    directory = _directory(context)
    root = ACME_ROOT if directory and own.acme_root else None
    if root and own.acme_root:
        files.put(content=files.Content(own.acme_root.encode()), dest=root, name=root)
    if directory:
        files.template(
            "proxy/acme.caddy.j2",
            f"{FOLDER}/acme.caddy",
            variables={
                "host_name": context.outputs.host_name,
                "server": directory,
                "email": own.acme_email,
                "root": root,
            },
        )
    files.template(
        "proxy/own.caddy.j2", f"{FOLDER}/own.caddy", variables={"host_name": context.outputs.host_name}
    )
    wanted = {
        "domain": context.outputs.host_name,
        "address": context.outputs.address,
        "server": directory,
        "root": root,
        "open": checks.whole_internet(context.settings.web_from),
    }
    content = files.Content(f"{json.dumps(wanted, indent=2)}\n".encode())
    files.put(content=content, dest=WANTED, name=WANTED)
    programs.run(
        program="certificate",
        arguments=["choose"],
        reads=WANTED,
        name="Choose the certificate to start with",
    )


def _directory(context: Context) -> str | None:
    """The ACME CA to ask; None for the own CA, also while `up` has not yet given the server its domain."""
    settings = context.settings
    asks = settings.asks_for_certificate() and context.outputs.host_name == settings.domain
    return settings.services.proxy.ca_directory if asks else None


def _run() -> None:
    for unit in (UNIT, RELOAD_UNIT, AUTHORITY_UNIT, MISSING_UNIT, SPARE_UNIT):
        files.template(
            f"proxy/{unit}.j2",
            f"{units.UNITS}/{unit}",
            variables=unit_variables(unit),
        )
    units.service(unit=UNIT, name=f"Run {UNIT}")
    units.reread(units=[MISSING_UNIT], name=f"Know {MISSING_UNIT}")
    programs.run(
        program="authority", arguments=["renew"], reads=WANTED, name="Have a CA of our own that will do"
    )
    for unit, why in (
        (AUTHORITY_UNIT, "Have it renewed where nobody deploys"),
        (SPARE_UNIT, "Keep a copy of the certificate beside the volume"),
    ):
        timer = unit.replace(".service", ".timer")
        files.copy(f"proxy/{timer}", f"{units.UNITS}/{timer}")
        units.service(unit=timer, name=why)
    # A changed Caddyfile is loaded, which keeps open websockets; only a changed unit or Caddy is a restart.
    units.service(unit=RELOAD_UNIT, reads=[CONFIG, CERTIFICATE, ACME_ROOT], name=f"Run {RELOAD_UNIT}")


def unit_variables(unit: str) -> dict[str, str]:
    """What the template of one of the proxy's units takes."""
    missing = unit == MISSING_UNIT
    return {
        "program": f"{uv.folder('caddy')}/bin/caddy",
        "account": USER,
        "config": MISSING_CONFIG if missing else CONFIG,
        "state": f"/run/{MISSING_FOLDER}" if missing else STATE,
        "missing": MISSING_UNIT,
        "folder": MISSING_FOLDER,
        "spare": f"/var/lib/{SPARE_FOLDER}",
        "spare_folder": SPARE_FOLDER,
        "admin": ADMIN,
        "ca": CA,
        "authority": program_path("authority"),
        "certificate": program_path("certificate"),
    }


def contact_link(contact: str) -> str | None:
    """Where the landing page's contact leads to: an address to write to, a page, or nowhere."""
    if checks.EMAIL.fullmatch(contact):
        return f"mailto:{contact}"
    return contact if contact.startswith(("http://", "https://")) else None


def validation() -> str:
    """Shell that lets Caddy judge the new file `{}`, with a CA of its own that is thrown away."""
    caddy = f"{uv.folder('caddy')}/bin/caddy"
    own = "HOME=$home XDG_DATA_HOME=$home XDG_CONFIG_HOME=$home"
    return (
        f"(home=$(mktemp -d) && trap 'rm -rf \"$home\"' EXIT && "
        f"{own} {caddy} validate --adapter caddyfile --config {{}} 2>$home/said || {{ cat $home/said >&2; exit 1; }})"
    )


SERVICE = Service(proxy, environments=lambda _: (ENVIRONMENT,))
