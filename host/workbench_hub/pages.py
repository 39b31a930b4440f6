"""What the hub's pages show of ours, and what it says to browsers beside its pages."""

import html
from typing import Any

from workbench_hub import MESSAGE

_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline'",  # JupyterHub's own pages have scripts in them
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_COOKIES = {"samesite": "Lax", "secure": True}

# For c.JupyterHub.tornado_settings. Users' servers take the first two words of cookies from here as well.
SETTINGS = {
    "cookie_options": _COOKIES,
    # The hub's own scripts have the token from the page, so that no other page needs to be able to read the cookie.
    "xsrf_cookie_kwargs": {**_COOKIES, "httponly": True},
    "headers": {
        "Content-Security-Policy": "; ".join(f"{what} {where}" for what, where in _POLICY.items()),
        # A page that somebody else opened, in whichever way, is no window of theirs.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cache-Control": "no-store",
    },
}


def announcement(_: Any) -> str:
    """The message of the day, as text; the hub's templates call it with the visitor."""
    try:
        with open(MESSAGE) as file:
            return html.escape(file.read())
    except FileNotFoundError:
        return ""
