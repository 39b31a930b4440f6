"""The stack file itself, Pulumi.<stack>.yaml: judged offline with line numbers, and edited without losing comments."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench import config
from workbench.errors import WorkbenchError
from workbench.stack import ROOT, short_name

# Stands in for a value that only `pulumi` can decrypt. It has the form of a password hash, the one setting that is
# worth encrypting, so that the rest is judged all the same.
_ENCRYPTED = "$6$encrypted$" + "x" * 86

KeyPath = tuple[str | int, ...]


def path_of(stack: str) -> Path:
    """Where the settings of a stack stand."""
    return ROOT / f"Pulumi.{short_name(stack)}.yaml"


def check(path: Path) -> list[str]:
    """Judges a stack file without asking anybody; gives back the keys of what is encrypted, which it cannot judge.

    Raises WorkbenchError: a sentence for each fault, with its line.
    """
    document = _load(path)
    section = document.get("config", {}) if isinstance(document, dict) else None
    if not isinstance(section, dict):
        raise WorkbenchError(f"{path.name}: there is no section `config:` with the stack's settings in it.")
    hidden: list[KeyPath] = []
    data = {str(key): _opened(value, (str(key),), hidden) for key, value in section.items()}
    own = [(str(head).removeprefix(f"{config.NAMESPACE}:"), *rest) for head, *rest in hidden]
    try:
        config.parse(data)
    except config.SettingsError as error:
        lines = [
            f"{path.name}{_line(section, problem.path)}: {problem.sentence}"
            for problem in error.problems
            if not any(problem.path[: len(inner)] == inner for inner in own)
        ]
        if lines:
            raise WorkbenchError("\n".join(lines)) from None
    return [config.key_of(inner) for inner in own if ":" not in str(inner[0])]


def set_value(path: Path, key: str, value: object) -> None:
    """Sets one top-level setting (`size`) in the file, leaving comments and other values as they are."""
    document = _load(path)
    document["config"][f"{config.NAMESPACE}:{key}"] = value
    text = io.StringIO()
    _yaml().dump(document, text)
    write(path, text.getvalue())


def write(path: Path, text: str) -> None:
    """Puts `text` in the place of the file, whole or not at all; a new file is for its owner only.

    Where the name is a link, as into a repository of stack files, it stays one.
    """
    path = path.resolve()
    temporary = path.with_suffix(".yaml.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if path.exists():
            former = path.stat()
            os.fchmod(file.fileno(), former.st_mode & 0o777)
            os.fchown(file.fileno(), former.st_uid, former.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _yaml() -> Any:
    from ruamel.yaml import YAML  # a third of a second, which who reads no file is spared

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _load(path: Path) -> Any:
    if not path.is_file():
        raise WorkbenchError(
            f"{path.name} does not exist; `pulumi stack init NAME` and docs/aws.md show how to begin."
        )
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return _yaml().load(path.read_text())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WorkbenchError(
            f"{path.name}, line {line}: is not YAML: {error.problem or error.context}."
        ) from None


def _opened(value: Any, at: KeyPath, hidden: list[KeyPath]) -> Any:
    """The value as plain data, with a stand-in for what is encrypted, whose paths are added to `hidden`."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            hidden.append(at)
            return _ENCRYPTED
        return {str(key): _opened(inner, (*at, str(key)), hidden) for key, inner in value.items()}
    if isinstance(value, list):
        return [_opened(inner, (*at, index), hidden) for index, inner in enumerate(value)]
    return value


def _line(section: Any, path: Sequence[str | int]) -> str:
    """`, line N` of the deepest part of `path` that the file has; empty where it has none of it."""
    line = None
    here: Any = section
    first = f"{config.NAMESPACE}:{path[0]}" if path else None
    for part in [first, *path[1:]]:
        try:
            position = here.lc.item(part) if isinstance(part, int) else here.lc.key(part)
            here = here[part]
        except (KeyError, IndexError, AttributeError, TypeError):
            break
        line = position[0] + 1
    return f", line {line}" if line else ""
