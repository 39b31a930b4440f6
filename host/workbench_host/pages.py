"""What programs of the host show to people in a browser, in the look of all pages of the workbench.

Everything that such a page refers to is the landing page's (templates/proxy), whose frame it has.
"""

import html
from pathlib import Path

from workbench_host.tools import CONFIG

TITLE = Path(CONFIG) / "title"  # the setting `title`; a program that runs may find another one at any time
DEFAULT_TITLE = "Workbench"

# By the whole window, since an app may have the page in a frame.
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{heading} - {title}</title>
  <link rel="icon" href="/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/site.css">
</head>
<body>
  <header class="bar">
    <a class="brand" href="/" target="_top"><img src="/icon.svg" alt="" width="32" height="32"><span>{title}</span></a>
  </header>
  <main>
    <h1>{heading}</h1>
    <p>{text}</p>
    <p><a href="/" target="_top">To the front page</a></p>
  </main>
</body>
</html>
"""


def title() -> str:
    """The workbench's own name, as text."""
    try:
        return TITLE.read_text(encoding="utf-8")
    except FileNotFoundError:  # a host that is being configured for the first time
        return DEFAULT_TITLE


def page(heading: str, text: str) -> str:
    """A page (HTML) that says one thing. Both are text."""
    return _PAGE.format(title=html.escape(title()), heading=html.escape(heading), text=html.escape(text))
