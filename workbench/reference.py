"""docs/settings.md, generated from the settings themselves: `make docs` writes it, a test fails when it is stale."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from workbench.settings import Section, Settings
from workbench.settings.section import unwrapped
from workbench.stack import ROOT

PATH = ROOT / "docs" / "settings.md"

_HEAD = """# Settings

Made from `workbench/settings/` by `make docs`; do not edit.

They stand in the stack file, `Pulumi.<stack>.yaml`, below `config:`. Lists count from 0 (`users[0].name`). What is
unknown, of the wrong type or out of its range is refused with the key's name; `workbench check` does so offline, with
the line. Numbers are written in plain digits, and text that looks like a number or a date in quotes: Pulumi reads 0100
as 64.

```yaml
config:
  aws:region: eu-west-1
  workbench:size: t3.large
  workbench:zone: eu-west-1a
  workbench:sshFrom: [203.0.113.7/32]
  workbench:adminSshKeys: [ssh-ed25519 AAAA... me@laptop]
  workbench:users:
    - name: ada
      admin: true
      passwordHash: $2b$12$...   # workbench password
  workbench:services:
    base: {timezone: Europe/Madrid}
```

| key | takes | default | what it is |
|---|---|---|---|
"""

_WORDS = {str: "text", int: "whole number", bool: "true or false", SecretStr: "text"}


def page() -> str:
    """The page as Markdown."""
    rows = "".join(
        f"| `workbench:{key}` | {takes} | {default} | {text} |\n"
        for key, takes, default, text in _rows(Settings, "")
    )
    return _HEAD + rows


def _rows(section: type[Section], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, many = unwrapped(field.annotation)
        if isinstance(inner, type) and issubclass(inner, Section):
            if many:
                yield key, "list of sections", _default(field), field.description or ""
            yield from _rows(inner, f"{key}[]." if many else f"{key}.")
        else:
            yield key, _takes(inner, many, field), _default(field), field.description or ""


def _takes(inner: Any, many: bool, field: FieldInfo) -> str:
    limits = {type(m).__name__: m for m in field.metadata}
    low, high = limits.get("Ge"), limits.get("Le")
    word = " or ".join(get_args(inner)) if get_origin(inner) is Literal else _WORDS[inner]
    if low and high:
        word += f", {low.ge} to {high.le}"
    return f"list of {word}" if many else word


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value is PydanticUndefined or value == "":
        return "-"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PATH.write_text(page())
