"""Whose server's pages a browser may show.

At /jupyter/user/NAME any program of that user may answer. A browser takes its pages, the hub's and those of all other
users for one site, so each of them could do whatever its visitor may do there. The proxy therefore asks here before it
shows one (templates/jupyterhub/proxy.caddy.j2).
"""

from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import BaseHandler
from tornado.httputil import url_concat
from tornado.web import HTTPError

PATH, NAME = "X-Forwarded-Uri", "X-Workbench-Server"  # the proxy's question: which page, whose server


class Visit(BaseHandler):
    """The proxy's question before it shows a page of a user's server: may this visitor see that?"""

    async def get(self) -> None:
        """Says yes (204) to the server's own user, leads to the login who has none, and refuses all others (403)."""
        name = self.request.headers.get(NAME, "")
        user: Any = None if self._is_ambiguous() else self.current_user
        if user is not None and name == user.name:
            self.set_status(204)
        elif "text/html" not in self.request.headers.get("Accept", ""):
            self.set_status(403)
            self.set_header("Content-Type", "application/json")
            self.write(
                {"message": "Log in to the hub first." if user is None else "That server is not yours."}
            )
        elif user is None:
            try:
                page = urlsplit(self.request.headers.get(PATH, "/"))
            except ValueError:
                raise HTTPError(400) from None
            back = page._replace(scheme="", netloc="").geturl()
            self.redirect(url_concat(self.settings["login_url"], {"next": back}))
        else:
            raise SomebodyElsesError

    def _is_ambiguous(self) -> bool:
        """Whether the request has more than one login cookie: somebody else has set one of them then."""
        cookies = self.request.headers.get("Cookie", "").split(";")
        return [one.partition("=")[0].strip() for one in cookies].count(self.hub.cookie_name) > 1


class SomebodyElsesError(HTTPError):
    """What the page tells a visitor of another user's server."""

    def __init__(self) -> None:
        super().__init__(403)
        self.jupyterhub_message = "That server is somebody else's. Yours is at the hub's home."
