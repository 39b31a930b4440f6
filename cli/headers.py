"""What anybody sees of the pages of a workbench: headers that are missing, weak, or tell too much."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit

from cli import outside
from cli.common import plain
from cli.findings import Finding

Headers = Mapping[str, Sequence[str]]  # a name in lower case -> what each header of this name says
REDIRECTS = 5
TELLING = ("Server", "X-Powered-By", "X-JupyterHub-Version", "X-Generator")


def pages(address: str, name: str, paths: Sequence[str]) -> dict[str, Headers]:
    """The headers of what each path leads to, by the path that it led to. Raises OSError or HTTPException."""
    found: dict[str, Headers] = {}
    for path in paths:
        at = path
        for _ in range(REDIRECTS):
            status, headers = _asked(address, name, at)
            target = urlsplit(urljoin(f"https://{name}{at}", headers.get("location", [""])[0]))
            if not (300 <= status < 400 and target.hostname == name):
                break
            at = target.path + (f"?{target.query}" if target.query else "")
        if status < 500:
            found[at.partition("?")[0]] = headers
    return found


def _asked(address: str, name: str, path: str) -> tuple[int, Headers]:
    """The status and the headers that a page is answered with."""
    connection = HTTPConnection(name)
    connection.sock = outside.greeted(address, name)  # Python itself would greet the address, not the name
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
    finally:
        connection.close()
    headers: dict[str, list[str]] = {}
    for key, value in answer.getheaders():
        headers.setdefault(key.lower(), []).append(value)
    return answer.status, headers


def of_pages(found: Mapping[str, Headers], trusted: bool) -> Iterator[Finding]:
    """What is missing or weak in headers of the pages. `trusted`: whether browsers know who vouches for them."""
    lacking: dict[str, list[str]] = {}
    for path, headers in found.items():
        for complaint in complaints(headers, trusted):
            lacking.setdefault(complaint, []).append(path)
    for complaint, paths in lacking.items():
        yield Finding("headers", f"{complaint}: {', '.join(sorted(paths))}.", "workbench deploy")


def complaints(headers: Headers, trusted: bool) -> Iterator[str]:
    """What is wrong with the headers of one page (OWASP Secure Headers Project, as far as it fits notebooks).

    Whatever a service says itself, the proxy sees to all of it (templates/proxy/Caddyfile.j2).
    """
    policy = " ".join(headers.get("content-security-policy", ()))
    if "nosniff" not in " ".join(headers.get("x-content-type-options", ())).lower():
        yield "No X-Content-Type-Options"
    if not policy:
        yield "No Content-Security-Policy"
    if "frame-ancestors" not in policy and "x-frame-options" not in headers:
        yield "Other sites may show it in a frame"
    if "referrer-policy" not in headers:
        yield "No Referrer-Policy"
    if trusted and "strict-transport-security" not in headers:
        yield "No Strict-Transport-Security"
    for name in TELLING:
        told = " ".join(headers.get(name.lower(), ()))
        if re.search(r"\d", told):
            yield f"The header {name} tells which version runs ({plain(told)})"
    for cookie in headers.get("set-cookie", ()):
        yield from _weak(cookie)


def _weak(cookie: str) -> Iterator[str]:
    name, *attributes = (part.strip() for part in cookie.split(";"))
    name = plain(name.partition("=")[0])
    said = {
        attribute.partition("=")[0].lower(): attribute.partition("=")[2].lower() for attribute in attributes
    }
    if re.fullmatch(r"0|thu, 01[ -]jan[ -]1970.*", said.get("max-age", said.get("expires", ""))):
        return  # it is being deleted
    wanted = {"Secure": "secure" in said, "SameSite": said.get("samesite") in {"lax", "strict"}}
    if "xsrf" not in name.lower() and "csrf" not in name.lower():  # which pages' scripts send back
        wanted["HttpOnly"] = "httponly" in said
    if missing := [attribute for attribute, there in wanted.items() if not there]:
        yield f"The cookie {name} is without {', '.join(missing)}"
