"""workbench-app: web apps of one's own (Streamlit, Dash, FastAPI, ...), at an address of one's own server.

    workbench-app                             what of yours listens, and the address of each
    workbench-app PORT                        the address of what listens on a port
    workbench-app run [--port PORT] COMMAND   runs a command on a port, and tells it where it will be found

`run` takes a free port where none is named. What the frameworks read tells them port, address and path (SURROUNDINGS);
in the command's own words `{port}` and `{path}` stand for them. The address is one of jupyter-server-proxy
(workbench_server/webapps.py): it works while the user's server runs, and for that user alone.
"""

import json
import os
import pwd
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from workbench_host.checkup import listeners
from workbench_host.tools import CONFIG, FailureError, reason

USAGE = "usage: workbench-app [PORT | run [--port PORT] COMMAND...]"
LOOPBACK = "127.0.0.1"
PORTS = range(1024, 65536)  # below, only root may listen
# Of JupyterHub, in all that a user's server starts: the address of that server.
SERVER = "JUPYTERHUB_PUBLIC_URL"
# In what a user's server starts: a folder of theirs, for apps that listen on a socket NAME.sock in it.
SOCKETS = "WORKBENCH_APP_SOCKETS"
NAMES = Path(CONFIG) / "certificate.json"  # has the host's name
WIDTH = 60  # of a command line that is shown

# What the frameworks read of the environment, as of 2026-11; {host} and {path} are of the address.
SURROUNDINGS = {
    "BOKEH_ALLOW_WS_ORIGIN": "{host}",
    "DASH_REQUESTS_PATHNAME_PREFIX": "{path}/",
    "FLASK_RUN_HOST": LOOPBACK,
    "FLASK_RUN_PORT": "{port}",
    "GRADIO_ROOT_PATH": "https://{host}{path}",
    "GRADIO_SERVER_NAME": LOOPBACK,
    "GRADIO_SERVER_PORT": "{port}",
    "GUNICORN_CMD_ARGS": f"--bind {LOOPBACK}:{{port}}",
    "HOST": LOOPBACK,
    "MLFLOW_SERVER_ALLOWED_HOSTS": "{host}",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://{host}",
    "PORT": "{port}",
    "STREAMLIT_SERVER_PORT": "{port}",
    "UVICORN_HOST": LOOPBACK,
    "UVICORN_PORT": "{port}",
    "UVICORN_ROOT_PATH": "{path}",
}


def standing(address: str) -> dict[str, str]:
    """What all that a user's server starts has in its environment, whose apps' addresses begin with `address`.

    A framework that is started without `workbench-app` neither opens a browser nor asks questions, listens on loopback,
    and takes our pages for its own; Dash in a notebook finds its place by itself.
    """
    where = urlsplit(address)
    return {
        "BOKEH_ALLOW_WS_ORIGIN": where.netloc,
        "DASH_DOMAIN_BASE": where.netloc,
        "DASH_REQUESTS_PATHNAME_PREFIX": f"{where.path}{{port}}/",
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "STREAMLIT_SERVER_ADDRESS": LOOPBACK,
        "STREAMLIT_SERVER_HEADLESS": "true",
    }


def below(server: str) -> str:
    """What the addresses of apps begin with, by the address of their user's server."""
    return f"{server.rstrip('/')}/proxy/"


def addresses(environment: Mapping[str, str]) -> str:
    """What the addresses of this user's apps begin with: of the server this runs in, else of the usual one.

    Raises FailureError where neither is known.
    """
    if server := environment.get(SERVER):
        return below(server)
    try:
        host = json.loads(NAMES.read_text())["domain"]
    except (OSError, ValueError, KeyError) as error:
        raise FailureError(
            f"the workbench's own address is not known ({reason(error)}); in JupyterLab's terminal it is"
        ) from None
    return below(f"https://{host}/jupyter/user/{pwd.getpwuid(os.getuid()).pw_name}")


def surroundings(address: str, port: int) -> dict[str, str]:
    """SURROUNDINGS of an app that is at `address`, which ends with a slash."""
    where = urlsplit(address)
    words = {"host": where.netloc, "path": where.path.rstrip("/"), "port": str(port)}
    return {
        **standing(f"{address.rstrip('/').rpartition('/')[0]}/"),
        **{name: value.format(**words) for name, value in SURROUNDINGS.items()},
    }


def filled(command: Sequence[str], address: str, port: int) -> list[str]:
    """The command, with what its words leave open."""
    path = urlsplit(address).path.rstrip("/")
    return [word.replace("{port}", str(port)).replace("{path}", path) for word in command]


def free(port: int) -> int:
    """The port, or some free one for 0. Raises FailureError where somebody has it."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((LOOPBACK, port))
        except OSError as error:
            raise FailureError(
                f"port {port} is not free ({reason(error)}): a program of yours or of somebody else's listens there. "
                "Without --port a free one is taken"
            ) from None
        return int(tried.getsockname()[1])


def listening(uid: int) -> dict[int, str]:
    """The ports on which this user's programs listen -> the command line of one of them, "" where none is known."""
    found = {
        one.port: one.inode
        for one in listeners.sockets(listeners.TCP)
        if one.uid == uid and one.port in PORTS
    }
    holders = listeners.holders(set(found.values()))
    return {port: command(holders.get(inode)) for port, inode in sorted(found.items())}


def command(pid: int | None) -> str:
    """The command line of a process as far as it is shown, "" where there is none."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    return "".join(c if c.isprintable() else "?" for c in line).strip()[:WIDTH]


def show() -> None:
    """Prints what of this user's listens, a line each."""
    base, ports = addresses(os.environ), listening(os.getuid())
    sockets = sorted(Path(os.environ.get(SOCKETS, "/nowhere")).glob("*.sock"))
    for port, line in ports.items():
        print(f"{base}{port}/  {line}".rstrip())
    for path in sockets:
        print(f"{base}unix/{path.stem}/")
    if not ports and not sockets:
        print(f"Nothing of yours listens. `workbench-app run COMMAND` runs an app. {USAGE}", file=sys.stderr)


def port_of(text: str) -> int:
    """A port that a user may listen on. Raises FailureError where it is none."""
    if not (text.isascii() and text.isdigit() and int(text) in PORTS):
        raise FailureError(f"{text} is no port of an app; takes {PORTS.start} to {PORTS.stop - 1}")
    return int(text)


def run(arguments: Sequence[str]) -> int:
    """Becomes the command of `workbench-app run`; 127 where there is none of that name."""
    wanted = 0
    if arguments[:1] == ["--port"] and len(arguments) > 1:
        wanted, arguments = port_of(arguments[1]), arguments[2:]
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    port = free(wanted)
    address = f"{addresses(os.environ)}{port}/"
    command = filled(arguments, address, port)
    print(f"Once it listens it is at {address}, for you alone. Ctrl+C ends it.", file=sys.stderr, flush=True)
    try:
        os.execvpe(command[0], command, {**os.environ, **surroundings(address, port)})
    except OSError as error:
        local = (
            Path.home() / ".local" / "bin" / command[0]
        ).exists()  # of `pip install --user`; not on the PATH
        hint = f" It is in ~/.local/bin: try `python -m {command[0]}`." if local else ""
        print(f"{command[0]} cannot be run: {error.strerror}.{hint}", file=sys.stderr)
        return 127


def main(arguments: Sequence[str]) -> int:
    try:
        if not arguments:
            show()
        elif arguments[0] == "run":
            return run(arguments[1:])
        elif len(arguments) > 1 or arguments[0].startswith("-"):
            print(USAGE, file=sys.stderr)
            return 2
        else:
            print(f"{addresses(os.environ)}{port_of(arguments[0])}/")
    except FailureError as error:
        print(f"workbench-app: {error}.", file=sys.stderr)
        return 1
    return 0
