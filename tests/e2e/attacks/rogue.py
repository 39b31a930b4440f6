"""A user's own program in the place of her server: it answers every path with one page and with what does her good.

Run by the test as that user on the host, by Debian's Python: `rogue.py SOCKET`.
"""

import http.server
import socketserver
import sys
from pathlib import Path

# What a script of hers tries from a page of hers; what it found is the page's text.
PAGE = """<!doctype html><title>rogue</title><pre id="found"></pre><script>
const found = {}, wait = (ms) => new Promise((go) => setTimeout(go, ms));
const timely = (promise) => Promise.race([promise, wait(5000).then(() => { throw new Error("nothing came"); })]);
async function attempt(name, action) {
  try { found[name] = String(await timely(action())).slice(0, 200); } catch (error) { found[name] = "refused"; }
}
const text = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(answer.status);
  return await answer.text();
};
(async () => {
  await attempt("home", () => text("/jupyter/hub/home"));
  await attempt("token page", () => text("/jupyter/hub/token"));
  await attempt("login page", () => text("/jupyter/hub/login"));
  await attempt("api", () => text("/jupyter/hub/api/users"));
  await attempt("new token", async () => {
    const answer = await fetch("/jupyter/hub/api/users/ada/tokens", { method: "POST", body: "{}" });
    if (!answer.ok) throw new Error(answer.status);
    return await answer.text();
  });
  await attempt("service worker", () => navigator.serviceWorker.register("/jupyter/user/grace/sw.js", { scope: "/" }));
  await attempt("cookie", () => {
    history.replaceState(null, "", "/jupyter/hub/home");
    if (!document.cookie.includes("_xsrf")) throw new Error("none");
    return document.cookie;
  });
  await attempt("window", async () => {
    const other = window.open("/jupyter/hub/home");
    await wait(2500);
    return other.document.documentElement.innerHTML;
  });
  await attempt("frame", async () => {
    const frame = document.createElement("iframe");
    frame.src = "/jupyter/hub/home";
    document.body.append(frame);
    await wait(2500);
    return frame.contentDocument.documentElement.innerHTML;
  });
  document.getElementById("found").textContent = JSON.stringify(found);
  document.title = "done";
})();
</script>"""

HEADERS = [
    ("Set-Cookie", "everywhere=1; Path=/"),
    ("Set-Cookie", "hubs=1; Path=/jupyter/hub/; Domain=.example.org"),
    ("Set-Cookie", "spaced=1; pAth = /; DOMAIN = example.org"),
    ("Set-Cookie", "last=1; Path=/jupyter/user/grace/; Path=/"),
    ("Set-Cookie", "marked=1; Own-Path=/"),
    ("Set-Cookie", "bare=1"),
    ("Set-Cookie", "cross=1; SameSite=None; Secure"),
    ("Set-Cookie", "named=1; Path=/jupyter/user/grace/second/; HttpOnly"),
    ("Set-Cookie", "__Host-jupyterhub-hub-login=mine; Path=/; Secure"),
    ("Set-Cookie", "=__Host-jupyterhub-hub-login=mine; Path=/; Secure"),
    ("Set-Cookie", "jupyterhub-session-id=; Path=/jupyter/; Max-Age=0"),
    ("Clear-Site-Data", '"*"'),
    ("Service-Worker-Allowed", "/"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("NEL", '{"report_to": "mine", "max_age": 3600}'),
    ("Report-To", '{"group": "mine", "max_age": 3600, "endpoints": [{"url": "https://mine.example/"}]}'),
    ("Strict-Transport-Security", "max-age=0"),
    ("WWW-Authenticate", "Basic"),
    ("Server", "Rogue/6.6.6"),
    ("Via", "rogue/6.6.6"),
    ("X-Powered-By", "rogue/6.6.6"),
    ("X-JupyterHub-Version", "6.6.6"),
]


class Rogue(http.server.BaseHTTPRequestHandler):
    """Every path is answered alike; what cookies came along is said in a header."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        script = self.path.endswith(".js")
        body = b"// nothing" if script else PAGE.encode()
        self.send_response_only(200)
        for name, value in HEADERS:
            self.send_header(name, value)
        self.send_header("X-Cookies", self.headers.get("Cookie", ""))
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    """On a socket that a server of Jupyter's listened on."""

    daemon_threads = True


if __name__ == "__main__":
    Path(sys.argv[1]).unlink(missing_ok=True)
    Server(sys.argv[1], Rogue).serve_forever()
