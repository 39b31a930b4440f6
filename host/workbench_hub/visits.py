"""Whose server's pages a browser may show.

What answers at /jupyter/user/NAME is whatever program that user runs. To a browser its pages are of one site with the
hub's and everybody else's, so they could do there what the visitor can. The proxy asks here before it shows one
(templates/jupyterhub/proxy.caddy.j2).
"""

import time
from typing import Any
from urllib.parse import quote, urlsplit

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join
from tornado.httputil import url_concat
from tornado.web import HTTPError, authenticated

PATH, NAME = "X-Forwarded-Uri", "X-Workbench-Server"  # the proxy's question: which page, whose server
OPENED_SECONDS = 8 * 3600.0
# By (what a login stands for, whose server): until when a visitor wants to see that server. A logout ends it.
opened: dict[tuple[str, str], float] = {}


class Visit(BaseHandler):
    """The proxy's question before it shows a page of a user's server: may this visitor see that?"""

    async def get(self) -> None:
        """Nothing (204) for yes: to the user, and to who may and has said so. Others are led on, or refused (403)."""
        name = self.request.headers.get(NAME, "")
        user: Any = None if self._is_ambiguous() else self.current_user
        allowed = bool(user and name) and self.has_scope(f"access:servers!user={name}")
        if allowed and (name == user.name or opened.get((user.cookie_id, name), 0.0) > time.monotonic()):
            self.set_status(204)
        elif "text/html" not in self.request.headers.get("Accept", ""):
            self.set_status(403)
            self.set_header("Content-Type", "application/json")
            self.write(
                {"message": "Log in to the hub first." if user is None else "That server is not yours."}
            )
        elif user is None:
            self._lead_to(self.settings["login_url"])
        elif allowed:
            self._lead_to(url_path_join(self.hub.base_url, "open", quote(name, safe="")))
        else:
            raise SomebodyElsesError

    def _lead_to(self, address: str) -> None:
        """To a page of the hub's, which leads back."""
        page = urlsplit(self.request.headers.get(PATH, "/"))
        self.redirect(url_concat(address, {"next": page._replace(scheme="", netloc="").geturl()}))

    def _is_ambiguous(self) -> bool:
        """Whether more than one login came along, of which one is somebody else's doing."""
        cookies = self.request.headers.get("Cookie", "").split(";")
        return [one.partition("=")[0].strip() for one in cookies].count(self.hub.cookie_name) > 1


class Open(BaseHandler):
    """Asks an administrator who comes to somebody else's server, by whatever link, whether that is meant."""

    @authenticated
    async def get(self, name: str) -> None:
        self._may(name)
        self.finish(await self.render_template("open.html", person=name, form=self.request.uri))

    @authenticated
    async def post(self, name: str) -> None:
        """The form's answer, which repeats the hub's token (XSRF) as all of them do."""
        user = self._may(name)
        now = time.monotonic()
        for known in [one for one, until in opened.items() if until < now]:
            del opened[known]
        opened[user.cookie_id, name] = now + OPENED_SECONDS
        self.redirect(
            self.get_next_url(user, default=url_path_join(self.base_url, "user", quote(name, safe="")))
        )

    def _may(self, name: str) -> Any:
        if not self.has_scope(f"access:servers!user={name}"):
            raise SomebodyElsesError
        return self.current_user


class SomebodyElsesError(HTTPError):
    """What the page says to who comes to another's server."""

    def __init__(self) -> None:
        super().__init__(403)
        self.jupyterhub_message = "That server is somebody else's. Yours is at the hub's home."
