"""From the raw config of a stack to Settings, with every complaint a sentence that names its key."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from workbench.errors import WorkbenchError
from workbench.faults import NAMESPACE, Fault, KeyPath
from workbench.settings import Settings, User
from workbench.settings.alarms import Mail
from workbench.settings.section import RULE, unwrapped

# What would be right, by the type of pydantic's error.
_TAKES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a section with keys of its own",
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
}

# What of a user may be shown. Not so where it stands in something else: a clear password may be anywhere in there.
_OPEN = frozenset(field.alias for field in User.model_fields.values()) - {"passwordHash"}
# What of the alarms may be: the address of a webhook is as good as a password.
_OPEN_OF_ALARMS = frozenset(field.alias for field in Mail.model_fields.values()) - {"password"}


class SettingsError(WorkbenchError):
    """The settings cannot be used; `faults` holds each reason."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = list(faults)


def parse(config: Mapping[str, object]) -> Settings:
    """Settings from a stack's config: keys as `workbench:size`, values as text (as the CLI gives them) or as data.

    Keys of other namespaces (`aws:region`) are not looked at. Raises SettingsError.
    """
    own = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in config.items() if _is_own(key)}
    data = {key: _decoded(key, value) for key, value in own.items()}
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError([_fault(detail) for detail in error.errors()]) from None


def _is_own(key: str) -> bool:
    return key.startswith(f"{NAMESPACE}:") or ":" not in key


def _decoded(key: str, value: object) -> object:
    """Whatever is not text in the settings arrives from the CLI as JSON in a string."""
    field = _field(Settings, key)
    if not isinstance(value, str) or (field and unwrapped(field.annotation) == (str, False)):
        return value
    try:
        return json.loads(value)
    except ValueError:  # no JSON, or a number beyond reason
        return value


def _field(section: Any, alias: str) -> FieldInfo | None:
    return next((field for field in section.model_fields.values() if field.alias == alias), None)


def _fault(detail: ErrorDetails) -> Fault:
    return Fault(tuple(detail["loc"]), _complaint(detail))


def _complaint(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == RULE:
        return detail["msg"]
    if kind == "missing":
        return "is missing; it has to be set"
    if kind == "extra_forbidden":
        return f"is not a setting{_meant(detail)}"
    if kind == "too_short":
        return "is empty; takes at least one entry"
    shown = _shown(detail["loc"], detail["input"])
    if kind == "value_error":
        return f"is {shown}, which {context['error']}" if shown else str(context["error"])
    takes = _TAKES[kind].format(**context) if kind in _TAKES else detail["msg"]
    if kind == "string_type" and isinstance(detail["input"], int | float):
        takes += ": quote it"
    return f"is {shown or _kind(detail['input'])}; takes {takes}"


def _shown(path: KeyPath, value: object) -> str:
    """The value, cut to a readable length; nothing where a secret may be in it.

    That is a password, also in place of its hash or where no password belongs, a private key, or what is more than one
    value. Of an address only the user and password in it are left out.
    """
    secret = path[:1] == ("users",) and not _OPEN.intersection(path)
    secret = secret or (path[:1] == ("alarms",) and not _OPEN_OF_ALARMS.intersection(path))
    if secret or isinstance(value, dict | list) or "PRIVATE KEY" in str(value):
        return ""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = re.sub(r"//[^/\s]*@", "//...@", text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: object) -> str:
    """What kind of value it is, where the value itself is not shown."""
    names = {dict: "a section", list: "a list", str: "text"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "another value")


def _meant(detail: ErrorDetails) -> str:
    section: Any = Settings
    for part in detail["loc"][:-1]:
        if isinstance(part, str) and (field := _field(section, part)):
            section = unwrapped(field.annotation)[0]
    names = [field.alias or name for name, field in section.model_fields.items()]
    close = get_close_matches(str(detail["loc"][-1]), names, n=1)
    return f" (perhaps {close[0]} was meant)" if close else f"; there are {', '.join(sorted(names))}"
