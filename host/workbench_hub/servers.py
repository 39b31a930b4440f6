"""A user's server: a transient unit of systemd in the user's own slice, reached by a socket for the proxy alone.

The server listens on a socket in a folder of its user's own (/run/jupyter/UID-DIGEST, 0700), so that nobody else on the
host comes near it. The proxy and the hub, which is root, do not go there, since the user could put a link in its place:
they go by a socket of root's in SERVERS, from which systemd-socket-proxyd, run as the user, leads to the server. That
socket ends with the server, and only root can make one in SERVERS: so nobody can listen in its place.
"""

import hashlib
import os
import pwd
from typing import Any
from urllib.parse import quote

from jupyterhub.objects import Server as Address
from jupyterhub.spawner import Spawner
from systemdspawner import SystemdSpawner, systemd
from tornado.web import HTTPError
from traitlets import Bool

from workbench_host import managers, webapps
from workbench_host.accounts.records import ADMINS, EVERYBODY
from workbench_host.tools import PROXIES
from workbench_hub import ENVIRONMENTS, PRIVATE, SERVERS, homes, passwords, sandbox, starting, transient
from workbench_hub.users import is_in

FRONT = "/usr/lib/systemd/systemd-socket-proxyd"
CONNECTIONS = 1000  # a browser's tab with many kernels has dozens; each takes six descriptors
DESCRIPTORS = 8192
UNIX = "http+unix"
# What leads to a server needs two sockets and nothing else.
FRONT_SANDBOX = [
    "CapabilityBoundingSet=",
    f"LimitNOFILE={DESCRIPTORS}",
    "MemoryMax=512M",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_UNIX",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    *(f"Private{what}=yes" for what in ("Devices", "Network", "Tmp")),
    *(f"Protect{what}=yes" for what in ("Clock", "ControlGroups", "Home", "Hostname")),
    *(f"ProtectKernel{what}=yes" for what in ("Logs", "Modules", "Tunables")),
    *(f"Restrict{what}=yes" for what in ("Namespaces", "Realtime", "SUIDSGID")),
    *("LockPersonality=yes", "MemoryDenyWriteExecute=yes", "NoNewPrivileges=yes"),
]
# The port that Jupyter Server takes for "none was chosen"; with any other one it refuses to listen on a socket.
NO_PORT = 8888
STOP_SECONDS = "30"  # after which what does not end is ended; nobody starts a server anew before
MARGIN_SECONDS = 10  # what we say of a server that does not answer comes before what the hub says


class UserServer(SystemdSpawner):
    """One with a name has a unit with that name; `:` is in no user's name, so no two can be the same."""

    unit_extra_properties: dict[str, str]
    start_timeout: int
    containers = Bool(False, help="whether users run containers, for which programs get capabilities").tag(
        config=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.name:
            self.unit_name = f"jupyter-{self.user.name}:{self.name}-singleuser"

    def options_from_query(self, _: Any) -> dict[str, Any]:
        """A link must not be able to fill in a form."""
        return {}

    @property
    def place(self) -> str:
        """What tells this server from all others on the host, short (a socket's path has 107 bytes) and of one case.

        The hub's database keeps the address of a server in lower case.
        """
        named = hashlib.sha256(self.unit_name.encode()).hexdigest()[:12]
        return f"{pwd.getpwnam(self.user.name).pw_uid}-{named}"

    @property
    def private(self) -> str:
        """The server's own folder, a file system of its own that is mounted for its unit."""
        return f"{PRIVATE}/{self.place}"

    @property
    def socket(self) -> str:
        """The server's own socket, in the user's hands."""
        return f"{self.private}/server.sock"

    @property
    def front(self) -> str:
        """The socket of root's by which the proxy and the hub reach it."""
        return f"{SERVERS}/{self.place}.sock"

    @property
    def server(self) -> Address | None:
        """Where the hub and its proxy find the server.

        The hub keeps it as a host's name and a port in its database, which a socket has not: it is said again here.
        """
        found: Address | None = Spawner.server.fget(self)
        if found is not None and found.proto == UNIX:
            found.connect_addr = quote(self.front, safe="")
            found.connect_url = f"{UNIX}://{found.connect_addr}"
        return found

    @server.setter
    def server(self, server: Address | None) -> None:
        Spawner.server.fset(self, server)

    def get_env(self) -> dict[str, str]:
        """Adds where kernels' sockets and web apps are, and takes the port away that the server is not to listen on."""
        found: dict[str, str] = super().get_env()
        base = self.server.base_url if self.server else "/"
        return {
            **webapps.standing(webapps.below(found[webapps.SERVER])),
            **found,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{NO_PORT}{base}",
            "JUPYTER_RUNTIME_DIR": self.private,
            # Of their user manager, as a PAM session has them.
            **managers.variables(self.user.name, pwd.getpwnam(self.user.name).pw_uid),
            # The prefix is the hub's alone: with it a cookie goes to all users' servers.
            "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "0",
        }

    def get_args(self) -> list[str]:
        """Adds the socket to what the configuration has."""
        return [*super().get_args(), f"--ServerApp.sock={self.socket}"]

    async def start(self) -> str:
        """Starts the server, then its front; the address of the latter."""
        account = pwd.getpwnam(self.user.name)
        # Notebooks, terminals and SSH sessions of a user share what the user's slice may take.
        self.slice = f"user-{account.pw_uid}.slice"
        await systemd.stop_service(self.unit_name)
        await transient.make_folder(self.private, account.pw_uid, account.pw_gid)
        await self._start_server(account)
        await starting.require_running(self)
        await self._start_front(account)
        address = f"{UNIX}://{quote(self.front, safe='')}"
        # The hub would wait for one that has ended as well, and then say where.
        base = self.server.base_url if self.server else "/"
        await starting.answers(self, f"{address}{base}api", self.start_timeout - MARGIN_SECONDS)
        return address

    async def _start_server(self, account: pwd.struct_passwd) -> None:
        """The server, in a folder of its own, with an environment that nobody else reads."""
        env = self.get_env()
        env["PATH"] = ":".join([*self.extra_paths, env.get("PATH", os.defpath)])
        env["SHELL"] = self.default_shell
        properties = {
            **self.unit_extra_properties,
            **sandbox.properties(elevated=not self.disable_user_sudo),
            "NoNewPrivileges": "yes" if self.disable_user_sudo else "no",
            # A unit that failed is forgotten at once, and not when the next one of its name is being made.
            "CollectMode": "inactive-or-failed",
            "TimeoutStopSec": STOP_SECONDS,
            # Its status says how many kernels are busy (workbench_server/jobs.py).
            "NotifyAccess": "main",
        }
        with transient.environment_file(f"{ENVIRONMENTS}/{self.place}.env", env) as file:
            await transient.run(
                self.unit_name,
                [*self._whose(account), f"--working-directory={account.pw_dir}"],
                [
                    *(f"{key}={value}" for key, value in properties.items()),
                    f"EnvironmentFile={file}",
                ],
                [*self.cmd, *self.get_args()],
            )

    async def _start_front(self, account: pwd.struct_passwd) -> None:
        """A socket of root's, and behind it a program of the user's that ends with the server."""
        service = f"{self.unit_name}.service"
        both = [f"BindsTo={service}", f"After={service}", "CollectMode=inactive-or-failed"]
        socket = [
            f"ListenStream={self.front}",
            f"SocketGroup={PROXIES}",
            "SocketMode=0660",
            "RemoveOnStop=yes",
        ]
        await transient.run(
            f"{self.unit_name}-front",
            [*self._whose(account), *(f"--socket-property={one}" for one in [*socket, *both])],
            [*both, *FRONT_SANDBOX],
            [FRONT, f"--connections-max={CONNECTIONS}", self.socket],
        )

    def _whose(self, account: pwd.struct_passwd) -> list[str]:
        return [f"--uid={account.pw_uid}", f"--gid={account.pw_gid}", f"--slice={self.slice}"]


async def leave(spawner: UserServer) -> None:
    """After a server's end, however it came to it."""
    await transient.remove_folder(spawner.private)


async def prepare(spawner: UserServer) -> None:
    """Before a server starts: refuses it to who is out or has to choose a password, and sudo to who is no admin."""
    name = spawner.user.name
    if not is_in(EVERYBODY, name):
        raise HTTPError(403, f"{name} is not a user of this workbench any more.")
    if passwords.is_due(name):
        raise HTTPError(403, "Choose a password of your own first, on the page that starts your server.")
    if folder := homes.unwritable(name):
        raise starting.StartError(
            409,
            f"{folder} is not yours to write to, so no server can start. An administrator mends that with: "
            f"sudo chown -hR {name}: {folder}",
        )
    spawner.disable_user_sudo = not (is_in(ADMINS, name) or spawner.containers)
