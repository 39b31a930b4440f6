"""What the hub takes: forms and JSON, and so small bodies.

By default each request may have 100 MB, held in memory before anybody asks who sends it. Everything comes here that
leads to no running server, so that it is not for Caddy to say by the path.
"""

from typing import Any

import tornado.httpserver

BYTES = 1024**2


class SmallServer(tornado.httpserver.HTTPServer):
    """Tornado's, with a limit of its own to bodies."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **{"max_body_size": BYTES, **kwargs})


def limit() -> None:
    """The hub, which has no setting for it, makes its server of the class that stands at this name."""
    tornado.httpserver.HTTPServer = SmallServer  # type: ignore[misc]
