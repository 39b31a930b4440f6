"""JupyterHub: its proxy, the hub, and a JupyterLab for each user as a transient unit in that user's own slice.

The hub's own proxy is a unit by itself, so that a restart of the hub cuts no open notebook. State is on the data
volume, in /srv/workbench/jupyterhub (root, 0700): the database, the cookie secret, the proxy's token.
"""

from shlex import quote
from urllib.parse import quote as quote_url

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import data, files, programs, python, units, uv
from deploy.service import Service
from workbench import versions
from workbench.host import program_path
from workbench.settings import Settings
from workbench.settings.services import JupyterHub
from workbench.stack import Context
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.tools import PROXIES
from workbench_hub import MESSAGE, PRIVATE, SERVERS
from workbench_server import MESSAGE_BYTES

PACKAGES = ("git",)

ENVIRONMENT = uv.Environment("jupyterhub")
CONFIG = "/etc/workbench/jupyterhub/jupyterhub_config.py"
KEEP_OPEN = "/etc/workbench/jupyterhub/keep-open.cjs"  # what the proxy's Node loads first
LAB_SETTINGS = "/etc/workbench/jupyterlab"
PAGES = "/usr/local/share/workbench/hub"
PAGE_NAMES = (
    *("page.html", "workbench.html", "bar.html", "hub.css", "login.html", "logout.html", "spawn.html"),
    *("spawn_pending.html", "stop_pending.html", "not_running.html", "error.html"),
    *("home.html", "token.html", "admin.html"),
)
# In a folder of JUPYTER_PATH, which comes before any of a user's own.
LABEXTENSION = "/usr/local/share/jupyter/labextensions/workbench-notice"
WEB_APPS_COMMAND = "/usr/local/bin/workbench-app"
TERMINAL_MESSAGE = "/etc/profile.d/workbench-message.sh"
STATE = "/srv/workbench/jupyterhub"
STATE_PROGRAM = "/usr/local/lib/workbench/jupyterhub-state"
API_SOCKET = "/run/jupyterhub-proxy/api.sock"
PAM = "/etc/pam.d/jupyterhub"
PROXY_UNIT, HUB_UNIT = "jupyterhub-proxy.service", "jupyterhub.service"
USER_UNITS = "jupyter-*-singleuser.service"


def urls() -> dict[str, str]:
    """The sockets of the hub and its proxy as those write them; `servers` is where users' servers find the hub."""
    passage = JupyterHub.passage
    paths = {"public": JupyterHub.socket, "api": API_SOCKET, "hub": passage.to, "servers": passage.socket}
    return {name: f"http+unix://{quote_url(path, safe='')}" for name, path in paths.items()}


def error_target() -> str:
    """Where the proxy gets its error pages, as a unit's file has it (systemd.unit(5), "Specifiers")."""
    return f"{urls()['hub']}/jupyter/hub/error".replace("%", "%%")


def environments(settings: Settings) -> tuple[uv.Environment, ...]:
    """The environments of this service; none where it is off."""
    return (ENVIRONMENT,) if settings.services.jupyterhub.enabled else ()


@deploy("jupyterhub")
def jupyterhub(context: Context) -> None:
    """The hub's environment, its configuration, its two units; with the service off, stopped units."""
    if not context.settings.services.jupyterhub.enabled:
        _stop()
        return
    uv.environment(ENVIRONMENT, context.settings.mirrors)
    _configure(context)
    _run(context)


def _stop() -> None:
    units.off(unit=HUB_UNIT, name=f"Stop {HUB_UNIT}")
    units.off(unit=PROXY_UNIT, name=f"Stop {PROXY_UNIT}")
    units.end(pattern=USER_UNITS, name="Stop the users' servers")
    host_files.file(path=TERMINAL_MESSAGE, present=False, name=f"No {TERMINAL_MESSAGE}")
    host_files.link(path=WEB_APPS_COMMAND, present=False, name=f"No {WEB_APPS_COMMAND}")


def _configure(context: Context) -> None:
    service = context.settings.services.jupyterhub
    files.copy("jupyterhub/pam", PAM)
    files.template(
        "jupyterhub/workbench-message.sh.j2",
        TERMINAL_MESSAGE,
        variables={"message": quote(service.message) if service.message else ""},
        validate="sh -n {}",
    )
    files.put(content=files.Content(service.message.encode()), dest=MESSAGE, name=MESSAGE)
    for page in PAGE_NAMES:
        files.copy(f"jupyterhub/pages/{page}", f"{PAGES}/{page}")
    _configure_servers(service)
    _configure_hub(context)
    files.template(
        "jupyterhub/jupyterhub-state.j2",
        STATE_PROGRAM,
        variables={"state": STATE},
        mode="755",
        validate="sh -n {}",
    )


def _configure_hub(context: Context) -> None:
    files.template(
        "jupyterhub/jupyterhub_config.py.j2",
        CONFIG,
        variables={
            "service": context.settings.services.jupyterhub,
            "host_name": context.outputs.host_name,
            "programs": programs.LINK,
            "sockets": urls(),
            "pages": PAGES,
            "environment": uv.folder(ENVIRONMENT.name),
            "state": STATE,
            "lab_settings": LAB_SETTINGS,
            "python_bin": python.BIN,
            "scratch": SCRATCH,
            "others": data.environment(context.settings),
            "containers": context.settings.services.docker.enabled,
            "memory_percent": context.settings.limits.memory_percent,
        },
        validate=programs.PYTHON_COMPILES,
    )


def _configure_servers(service: JupyterHub) -> None:
    """What users' servers read when they start; those that run go on with what they have read."""
    idle = service.idle_minutes * 60
    files.copy("jupyterhub/labextension/notice.js", f"{LABEXTENSION}/static/notice.js")
    # Last, since it is what makes a folder an extension.
    files.copy(
        "jupyterhub/labextension/package.json",
        f"{LABEXTENSION}/package.json",
        validate="python3 -m json.tool {} > /dev/null",
    )
    files.copy(
        "jupyterhub/overrides.json",
        f"{LAB_SETTINGS}/overrides.json",
        validate="python3 -m json.tool {} > /dev/null",
    )
    host_files.link(
        path=WEB_APPS_COMMAND, target=program_path("workbench-app"), name=f"The command {WEB_APPS_COMMAND}"
    )
    files.template(
        "jupyterhub/jupyter_server_config.py.j2",
        f"{LAB_SETTINGS}/jupyter_server_config.py",
        variables={
            "programs": programs.LINK,
            "idle_seconds": idle,
            "interval_seconds": min(300, max(15, idle // 4)),  # how exactly idle time is kept
            "message_bytes": MESSAGE_BYTES,
        },
        validate=programs.PYTHON_COMPILES,
    )


def _run(context: Context) -> None:
    files.copy("jupyterhub/keep-open.cjs", KEEP_OPEN)
    for unit in (PROXY_UNIT, HUB_UNIT):
        files.template(
            f"jupyterhub/{unit}.j2",
            f"{units.UNITS}/{unit}",
            variables={
                "answering": units.answering(context.settings.services.jupyterhub),
                "group": PROXIES,
                "sockets": {"public": JupyterHub.socket, "api": API_SOCKET},
                "error_target": error_target(),
                "servers": SERVERS,
                "private": PRIVATE,
                "environment": uv.folder(ENVIRONMENT.name),
                "config": CONFIG,
                "keep_open": KEEP_OPEN,
                "state": STATE,
                "state_program": STATE_PROGRAM,
                "python": versions.PYTHON,
            },
        )
    units.service(unit=PROXY_UNIT, reads=[KEEP_OPEN], name=f"Run {PROXY_UNIT}")
    units.service(
        unit=HUB_UNIT,
        reads=[
            CONFIG,
            PAM,
            *(f"{PAGES}/{page}" for page in PAGE_NAMES),
            *programs.modules("workbench_hub"),
        ],
        name=f"Run {HUB_UNIT}",
    )


SERVICE = Service(jupyterhub, lambda _: PACKAGES, environments)
