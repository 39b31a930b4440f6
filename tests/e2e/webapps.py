"""Web apps that a user of the workbench runs: made in tests, of Debian's Python or of packages from PyPI."""

import shlex
import time

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

ANSWER = "an answer of "
# Of Debian's Python: answers every path with its user and what it was told; sets a cookie; notes who connected.
TELLING = f"""
import http.server, json, os, pwd, socket, sys
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {{"path": self.path, "headers": dict(self.headers)}}
        body = ({ANSWER!r} + pwd.getpwuid(os.getuid()).pw_name + " " + json.dumps(told)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "_xsrf=the-apps; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): ...
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    def verify_request(self, *_):
        with open(f"/tmp/connected-{{os.getuid()}}", "a") as file:
            file.write("x")
        return True
Server((sys.argv[1], int(sys.argv[2])), App).serve_forever()
"""


def tell(workbench: Workbench, user: str, port: int, address: str = "127.0.0.1") -> None:
    """Runs TELLING as that user, over SSH and not in a server's terminal, until it is ended by `end`."""
    app = f"rm -f /tmp/connected-$(id -u {user}); runuser -u {user} -- python3 -c {shlex.quote(TELLING)}"
    workbench.ssh(f"({app} {address} {port} > /dev/null 2>&1 < /dev/null & disown)")
    listens = f"ss -Hltne 'sport = :{port}' | grep -q uid:$(id -u {user})"
    workbench.ssh(f"for n in $(seq 100); do {listens} && exit 0; sleep 0.1; done; exit 1")


def end(workbench: Workbench, *users: str) -> None:
    for user in users:
        workbench.ssh(f"pkill -u {user} -f verify_request; rm -f /tmp/connected-$(id -u {user})", check=False)


def connected(workbench: Workbench, user: str) -> int:
    """How many connections that user's app has had."""
    return len(workbench.ssh(f"cat /tmp/connected-$(id -u {user}) 2>/dev/null || true").stdout.strip())


def until_it_answers(visitor: Visitor, url: str, text: str, seconds: float = 60) -> str:
    """The page at an address of the visitor's own server, once it has the text."""
    headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    until = time.monotonic() + seconds
    while text not in (said := visitor.client.get(url, headers=headers).text):
        assert time.monotonic() < until, said
        time.sleep(0.3)
    return said
