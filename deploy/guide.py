"""The users' guide (docs/users.md) as one of the proxy's pages, with what the settings of this workbench say.

Markdown is rendered here, on the machine that deploys, by markdown-it-py; the page is static and without scripts.
"""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from pyinfra.api.deploy import deploy

from deploy import files, proxy
from deploy.service import Service
from workbench import ROOT
from workbench.settings import Settings
from workbench.stack import Context

SOURCE = ROOT / "docs" / "users.md"
PAGE = f"{proxy.SITE}/guide/index.html"


@dataclass(frozen=True)
class Chapter:
    """A heading of the second level, and the end of the address that leads to it."""

    title: str
    anchor: str


@deploy("guide")
def guide(context: Context) -> None:
    """The page."""
    text, chapters = rendered(SOURCE.read_text())
    contact = context.settings.services.proxy.contact
    files.template(
        "proxy/guide.html.j2",
        PAGE,
        variables={
            "title": context.settings.title,
            "text": text,
            "chapters": chapters,
            "facts": facts(context.settings, context.outputs.memory_mib),
            "contact": contact,
            "contact_link": proxy.contact_link(contact),
        },
    )


def rendered(source: str) -> tuple[str, list[Chapter]]:
    """HTML of Markdown, without the heading of the first level, and its chapters. Raw HTML is shown as text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(source)
    if [token.type for token in tokens[:3]] == ["heading_open", "inline", "heading_close"]:
        tokens = tokens[3:]
    chapters = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == "h2":
            anchor = "-".join("".join(c if c.isalnum() else " " for c in inline.content.lower()).split())
            opening.attrSet("id", anchor)
            chapters.append(Chapter(inline.content, anchor))
    return parser.renderer.render(tokens, parser.options, {}), chapters


def facts(settings: Settings, memory_mib: int) -> dict[str, str]:
    """What of the settings people meet in their work, in words."""
    limits, services = settings.limits, settings.services
    said = {
        "Memory": f"{memory_mib * limits.memory_percent / 100 / 1024:.1f} GiB for each user "
        f"({limits.memory_percent}% of {memory_mib / 1024:.1f} GiB)",
        "Processors": f"{limits.cpus} for each user" if limits.cpus else "all, shared evenly",
        "Processes and threads": f"{limits.tasks} for each user",
        "Disk": f"{limits.disk_gib} GiB for each user"
        if limits.disk_gib
        else f"no limit for one user; {settings.data_volume_gib} GiB for all",
    }
    if services.jupyterhub.enabled:
        idle = services.jupyterhub.idle_minutes
        said["Idle notebooks and terminals"] = f"ended after {_span(idle)}" if idle else "are never ended"
    said["Services"] = ", ".join(service.title for _, service in services.enabled() if service.path) or "none"
    said["Schedules"] = "on" if limits.timers else "switched off"
    if settings.environments:
        said["Environments of the team"] = ", ".join(one.name for one in settings.environments)
    return said


def _span(minutes: int) -> str:
    hours = timedelta(minutes=minutes) / timedelta(hours=1)
    return f"{hours:g} hours" if hours > 1 and hours == round(hours, 1) else f"{minutes} minutes"


SERVICE = Service(guide)
