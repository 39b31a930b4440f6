"""What is said over the websockets of a user's server: to a kernel (Jupyter's messaging protocol) and to a terminal."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection

from workbench.errors import WorkbenchError


def _request(code: str) -> dict[str, Any]:
    """An execute_request of the Jupyter messaging protocol 5.3."""
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": uuid.uuid4().hex,
            "username": "",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
        },
    }


async def execute(channel: ClientConnection, code: str, streams: Sequence[str]) -> str:
    """Sends `code` and collects its output until the kernel is idle again."""
    request = _request(code)
    await channel.send(json.dumps(request))
    said: list[str] = []
    while True:
        message = json.loads(await channel.recv())
        if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "error":
            raise WorkbenchError(f"The code failed with {content['ename']}: {content['evalue']}.")
        if kind == "status" and content["execution_state"] == "idle":
            return "".join(said)
        said.append(_text(kind, content, streams))


async def type_line(channel: ClientConnection, line: str, until: str) -> str:
    """Types a line into a terminal by terminado's protocol: JSON lists such as ["stdin", text], ["stdout", text]."""
    await channel.send(json.dumps(["stdin", f"{line}\r"]))
    said = ""
    while until not in said:
        kind, *rest = json.loads(await channel.recv())
        said += rest[0] if kind == "stdout" else ""
    return said


def _text(kind: str, content: dict[str, Any], streams: Sequence[str]) -> str:
    """The text of a message that carries output; nothing of any other, nor of other streams."""
    if kind == "stream" and content["name"] in streams:
        return str(content["text"])
    if kind in (
        "execute_result",
        "display_data",
    ):  # Python's kernel gives a last value as the one, R's as the other
        return str(content["data"].get("text/plain", ""))
    return ""
