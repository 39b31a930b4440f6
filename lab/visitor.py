"""A visitor of a workbench: logs in, starts a server, computes, over real HTTP and websockets, as a browser would.

It knows the workbench only from outside: its address, the certificate of its CA, and the pages' and Jupyter's APIs.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from lab import channels
from workbench.errors import WorkbenchError

REQUEST_SECONDS = 30.0
XSRF = "_xsrf"  # the cookie whose value a form or a request has to repeat, to show that it comes from our own pages
PYTHON, R = "python3", "ir"  # names of the kernels that every workbench has
POLL_SECONDS = 0.3


class Visitor:
    """One person's visit; a context manager that logs out. What goes wrong is a WorkbenchError."""

    def __init__(self, url: str, ca: Path) -> None:
        """`url` is the workbench's root, such as https://192.0.2.7/; `ca` the one certificate (PEM) to trust."""
        self.url = url.rstrip("/")
        self.user = ""
        self._kernels: dict[str, str] = {}  # name -> id of the one that this visit has started
        self.folder = ""  # where new kernels start, relative to the home
        self._server = ""  # the name of the server that is used; the usual one has none
        try:
            self.tls = ssl.create_default_context(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise WorkbenchError(f"{ca} is no certificate that can be used: {error}.") from None
        self.client = httpx.Client(
            verify=self.tls, timeout=REQUEST_SECONDS, follow_redirects=True, trust_env=False
        )

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.user:
                self.logout()
        except WorkbenchError:
            if error is None:  # else that error is the one to hear of
                raise
        finally:
            self.client.close()

    def login(self, user: str, password: str) -> None:
        """Logs in by the hub's form. Raises WorkbenchError where it says no."""
        self._ask("GET", "/jupyter/hub/login")
        form = {"username": user, "password": password, XSRF: self._xsrf("/jupyter/hub/")}
        answer = self._ask("POST", "/jupyter/hub/login", data=form, follow_redirects=False, accept=(302, 403))
        if answer.status_code != httpx.codes.FOUND:
            raise WorkbenchError(f"{user} cannot log in to {self.url}: user name or password was refused.")
        self.user = user

    def spawn(self, server: str = "", timeout: float = 120.0) -> None:
        """Starts a server of the user, unless it runs, and waits up to `timeout` seconds until it can be used.

        All that follows is about this `server`; the usual one has no name.
        """
        place = f"/jupyter/hub/api/users/{quote(self.user)}"
        self._server = server
        start = f"{place}/servers/{quote(server)}" if server else f"{place}/server"
        said = self._start(start)
        until = time.monotonic() + timeout
        while not self._is_ready(place, said):
            if time.monotonic() > until:
                raise WorkbenchError(f"The server of {self.user} was not ready after {timeout:.0f} s.")
            time.sleep(POLL_SECONDS)
            if _is_ending(said):
                said = self._start(start)
        self._ask("GET", f"{self._home()}/lab")  # by way of the hub, which gives us the server's cookie

    def stop_server(self, timeout: float = 60.0) -> None:
        """Has the hub end the user's own server, where one runs, and waits until it has ended."""
        server = f"/jupyter/hub/api/users/{quote(self.user)}/server"
        until = time.monotonic() + timeout
        while self._ask("DELETE", server, accept=(202, 204, 400, 404)).status_code == 202:
            if time.monotonic() > until:
                raise WorkbenchError(f"The server of {self.user} has not ended within {timeout:g} s.")
            time.sleep(0.5)

    def choose_password(self, password: str, again: str | None = None) -> None:
        """Fills in the form of the first login, which starts the server. Raises WorkbenchError where it says no."""
        page = f"/jupyter/hub/spawn/{quote(self.user)}"
        self._ask("GET", page)
        form = {"password": password, "again": again or password, XSRF: self._xsrf("/jupyter/hub/")}
        answer = self._ask("POST", page, data=form, follow_redirects=False, accept=(302, 400))
        if answer.status_code != httpx.codes.FOUND:
            raise WorkbenchError(f"The new password of {self.user} was refused: {answer.text}")

    def run_code(self, code: str, timeout: float = 60.0, kernel: str = PYTHON, errors: bool = False) -> str:
        """What `code` prints and then its last value, as text, from this visit's kernel of that name.

        It is started first, unless this visit has one already. With `errors` it is with what goes to standard error.

        Raises WorkbenchError where the code fails, or no answer has come after `timeout` seconds.
        """
        streams = ("stdout", "stderr") if errors else ("stdout",)
        return _finish(self._run(self._kernel_path(kernel), code, timeout, streams))

    def new_kernels(self) -> None:
        """Lets the kernels of this visit run on; the next code is run by a new one."""
        self._kernels.clear()

    def type_in_terminal(self, line: str, until: str, timeout: float = 30.0) -> str:
        """Types a line into a new terminal, which stays; all that it showed up to the text `until`."""
        name = self._ask("POST", f"{self._home()}/api/terminals").json()["name"]
        path = f"{self._home()}/terminals/websocket/{name}"
        return _finish(self._talk(path, timeout, lambda channel: channels.type_line(channel, line, until)))

    def running(self, kind: str) -> set[str]:
        """Ids of what runs in the server: `kind` is "kernels" or "terminals". Asking is no activity."""
        found = self._ask("GET", f"{self._home()}/api/{kind}?no_track_activity=1").json()
        return {one.get("id") or one["name"] for one in found}

    def write_file(self, path: str, content: bytes) -> None:
        """Puts a file into the user's home, by Jupyter's contents API. `path` is relative to the home."""
        body = {"type": "file", "format": "base64", "content": base64.b64encode(content).decode()}
        self._ask("PUT", f"{self._home()}/api/contents/{quote(path)}", json=body, accept=(200, 201))

    def upload(self, path: str, size: int, chunk: int = 16 * 1024**2) -> None:
        """Puts a file of `size` zeros into the user's home piece by piece, as JupyterLab uploads."""
        place = f"{self._home()}/api/contents/{quote(path)}"
        count = -(-size // chunk)
        for number in range(1, count + 1):
            piece = bytes(min(chunk, size - (number - 1) * chunk))
            body = {"type": "file", "format": "base64", "content": base64.b64encode(piece).decode()}
            self._ask(
                "PUT", place, json={**body, "chunk": -1 if number == count else number}, accept=(200, 201)
            )

    def read_file(self, path: str) -> bytes:
        """A file of the user's home. Raises WorkbenchError where there is none."""
        query = "?type=file&format=base64&content=1"
        answer = self._ask("GET", f"{self._home()}/api/contents/{quote(path)}{query}")
        return base64.b64decode(answer.json()["content"])

    def logout(self) -> None:
        """Ends the kernels of this visit and the session; the user's server runs on."""
        while self._kernels:
            _, kernel = self._kernels.popitem()
            self._ask("DELETE", f"{self._home()}/api/kernels/{kernel}", accept=(204, 404))
        self._ask("GET", "/jupyter/hub/logout")
        self.client.cookies.clear()
        self.user = ""

    def _kernel_path(self, name: str) -> str:
        if name not in self._kernels:
            # Jupyter takes the path of a notebook, and starts its kernel where that is.
            asked = {"name": name, "path": f"{self.folder}/notebook.ipynb"}
            answer = self._ask("POST", f"{self._home()}/api/kernels", json=asked, accept=(201,))
            self._kernels[name] = answer.json()["id"]
        return f"{self._home()}/api/kernels/{self._kernels[name]}/channels"

    async def _run(self, path: str, code: str, timeout: float, streams: Sequence[str] = ("stdout",)) -> str:
        return await self._talk(path, timeout, lambda channel: channels.execute(channel, code, streams))

    async def _talk(
        self, path: str, timeout: float, talk: Callable[[ClientConnection], Awaitable[str]]
    ) -> str:
        """A talk over a websocket of its own; websockets' threaded client may hang where TLS is refused."""
        address = f"wss{self.url.removeprefix('https')}{path}"
        headers = {"Cookie": self._cookies(path)}
        try:
            async with asyncio.timeout(timeout):
                async with connect(
                    address, ssl=self.tls, additional_headers=headers, max_size=None, proxy=None
                ) as channel:
                    return await talk(channel)
        except TimeoutError:
            raise WorkbenchError(f"{path} had not answered after {timeout:.0f} s.") from None
        except (OSError, WebSocketException) as error:
            raise WorkbenchError(f"{self.url}{path} cannot be talked to: {error}.") from None

    def _home(self) -> str:
        named = f"/{quote(self._server)}" if self._server else ""
        return f"/jupyter/user/{quote(self.user)}{named}"

    def _start(self, place: str) -> httpx.Response:
        return self._ask("POST", place, accept=(201, 202, 400))  # 400: it runs, starts or ends, or must not

    def _is_ready(self, place: str, said: httpx.Response) -> bool:
        found = self._ask("GET", place).json()
        server = found["servers"].get(self._server)
        if server is None:
            if _is_ending(said):
                return False
            reason = f": {_reason(said)}" if said.is_error else "; its journal says why"
            raise WorkbenchError(f"The server of {self.user} could not be started{reason}.")
        return bool(server["ready"])

    def _ask(self, method: str, path: str, accept: tuple[int, ...] = (200,), **more: Any) -> httpx.Response:
        """One request, with the XSRF token that belongs to its path. Other answers than `accept` are errors."""
        headers = {
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors" if "/api/" in path else "navigate",
            "Accept": "*/*" if "/api/" in path else "text/html",
        }
        if token := self._xsrf(path):
            headers["X-XSRFToken"] = token
        try:
            answer = self.client.request(method, f"{self.url}{path}", headers=headers, **more)
        except httpx.HTTPError as error:
            raise WorkbenchError(f"{self.url}{path} does not answer: {error}.") from None
        if answer.status_code not in accept:
            raise WorkbenchError(
                f"{method} {self.url}{path} was answered with status {answer.status_code}: {_reason(answer)}."
            )
        return answer

    def _xsrf(self, path: str) -> str:
        return self._jar(path).get(XSRF, "")

    def _jar(self, path: str) -> dict[str, str]:
        """The cookies that a browser sends to `path`; of two with one name, the one with the longer path."""
        ours = [cookie for cookie in self.client.cookies.jar if path.startswith(cookie.path)]
        return {cookie.name: cookie.value or "" for cookie in sorted(ours, key=lambda one: len(one.path))}

    def _cookies(self, path: str) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._jar(path).items())


def _finish(coroutine: Coroutine[Any, Any, str]) -> str:
    """Runs it in an event loop of its own, also where the caller's thread runs one."""
    with ThreadPoolExecutor(1) as worker:
        return worker.submit(asyncio.run, coroutine).result()


def _reason(answer: httpx.Response) -> str:
    """What a JSON answer gives as its message, else the status in words."""
    try:
        return str(answer.json()["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase or urlsplit(str(answer.url)).path


def _is_ending(answer: httpx.Response) -> bool:
    """Whether the hub starts no server because the one before has yet to end."""
    return answer.is_error and _reason(answer).endswith("pending stop")
