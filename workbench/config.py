"""From the raw config of a stack to Settings, with every complaint a sentence that names its key."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workbench.errors import WorkbenchError
from workbench.settings import Settings

NAMESPACE = "workbench"

_TAKES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a section with keys of its own",
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
}


class Problem(BaseModel):
    """One thing wrong: where it stands (keys and indexes below `workbench:`), and the sentence."""

    path: tuple[str | int, ...]
    sentence: str


class SettingsError(WorkbenchError):
    """The settings cannot be used; `problems` holds each reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.sentence for problem in problems))
        self.problems = list(problems)


def parse(config: Mapping[str, object]) -> Settings:
    """Settings from a stack's config: keys as `workbench:size`, values as text (as the CLI gives them) or as data.

    Keys of other namespaces (`aws:region`) are not looked at. Raises SettingsError.
    """
    own = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in config.items() if _is_own(key)}
    data = {key: _decoded(key, value) for key, value in own.items()}
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError([_problem(detail) for detail in error.errors()]) from None


def dump(settings: Settings) -> dict[str, object]:
    """The inverse of parse, with password hashes in the clear: for files of mode 0600 only."""
    data = settings.model_dump(mode="json", by_alias=True)
    for plain, user in zip(data["users"], settings.users, strict=True):
        plain["passwordHash"] = user.password_hash.get_secret_value() if user.password_hash else None
    return {f"{NAMESPACE}:{key}": value for key, value in data.items()}


def key_of(path: Sequence[str | int]) -> str:
    """`workbench:users[0].name` for ("users", 0, "name")."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{NAMESPACE}:{text}"


def _is_own(key: str) -> bool:
    return key.startswith(f"{NAMESPACE}:") or ":" not in key


def _decoded(key: str, value: object) -> object:
    """Whatever is not text in the settings arrives from the CLI as JSON in a string."""
    texts = {field.alias for field in Settings.model_fields.values() if _takes_text(field.annotation)}
    if not isinstance(value, str) or key in texts:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _takes_text(annotation: Any) -> bool:
    return annotation is str or str in getattr(annotation, "__args__", ())


def _problem(detail: ErrorDetails) -> Problem:
    path, message = tuple(detail["loc"]), detail["msg"]
    if detail["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        if message.startswith("."):  # a rule over several keys, which names the one at fault itself
            name, _, rest = message[1:].partition(" ")
            return Problem(
                path=(*path, *name.split(".")), sentence=f"{key_of((*path, *name.split('.')))} {rest}."
            )
        return Problem(path=path, sentence=f"{key_of(path)} is {_shown(detail)}, which {message}.")
    return Problem(path=path, sentence=f"{key_of(path)} {_complaint(detail)}.")


def _complaint(detail: ErrorDetails) -> str:
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing; it has to be set"
    if kind == "extra_forbidden":
        return f"is not a setting{_meant(detail)}"
    if kind in _TAKES:
        return f"is {_shown(detail)}; takes {_TAKES[kind]}"
    if kind == "literal_error":
        return f"is {_shown(detail)}; takes {limits['expected']}"
    if kind == "too_short":
        return "is empty; takes at least one entry"
    if kind == "greater_than_equal":
        return f"is {_shown(detail)}; takes at least {limits['ge']}"
    if kind == "less_than_equal":
        return f"is {_shown(detail)}; takes at most {limits['le']}"
    if kind == "string_pattern_mismatch":
        return f"is {_shown(detail)}; takes text of the form {limits['pattern']}"
    return f"is {_shown(detail)}: {detail['msg']}"


def _shown(detail: ErrorDetails) -> str:
    """The value, cut to a readable length; never that of a password hash, which may be a clear password."""
    if "passwordHash" in detail["loc"]:
        return "not shown"
    text = json.dumps(detail["input"], default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _meant(detail: ErrorDetails) -> str:
    section: Any = Settings
    for part in detail["loc"][:-1]:
        if isinstance(part, str):
            section = _section(section, part)
    names = [field.alias or name for name, field in getattr(section, "model_fields", {}).items()]
    close = get_close_matches(str(detail["loc"][-1]), names, n=1)
    return f" (perhaps {close[0]} was meant)" if close else f"; there are {', '.join(sorted(names))}"


def _section(section: Any, alias: str) -> Any:
    for field in section.model_fields.values():
        if field.alias == alias:
            inner = getattr(field.annotation, "__args__", (field.annotation,))
            return inner[0]
    return None
