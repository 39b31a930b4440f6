"""What the hub's pages show of ours."""

import html
from typing import Any

from workbench_hub import MESSAGE


def announcement(_: Any) -> str:
    """The message of the day, as text; the hub's templates call it with the visitor."""
    try:
        with open(MESSAGE) as file:
            return html.escape(file.read())
    except FileNotFoundError:
        return ""
