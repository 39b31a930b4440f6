"""What administrators of the host see on the hub's pages: which alarms are on. The landing page knows no visitor."""

import html
from typing import Any

from workbench_host.accounts.records import ADMINS
from workbench_host.alarms import memory
from workbench_hub.users import is_in


def shown(visitor: Any) -> str:
    """A paragraph (HTML) for each alarm that is on, and for each way by which nobody could be told; for others none."""
    if visitor is None or not is_in(ADMINS, visitor.name):
        return ""
    told = memory.report()
    lines = [f"{one['text']} (since {one['since'][:16].replace('T', ' ')} UTC)" for one in told["on"]]
    lines += [f"Nobody could be told of alarms by {way}: {why}." for way, why in told["refused"].items()]
    return "".join(f'<p class="workbench-alarm mb-1">Alarm: {html.escape(line)}</p>' for line in lines)
