"""What the attacks by browsers have in common: how one asks for a page, how a page's script asks."""

import httpx

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}


def answered(workbench: Workbench, visitor: Visitor, path: str, headers: dict[str, str]) -> httpx.Response:
    return visitor.client.get(f"{workbench.url}{path}", headers=headers, follow_redirects=False)
