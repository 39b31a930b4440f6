"""A stack file's `config:` read as Pulumi reads it; what the two of us would read differently is refused.

Pulumi reads with Go's yaml.v3: YAML 1.2 with the octals of 1.1 (0100 is 64), 1_000 for 1000, and dates as times of day.
Its program and `pulumi config` get the outcome as text, so that nobody behind it can tell what was written.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.faults import NAMESPACE, Fault, KeyPath

_YAML = "tag:yaml.org,2002:"

# Words without quotes that mean the same to both, by the tag that ruamel gives them.
_ALIKE = {
    "null": re.compile(r"|~|null|Null|NULL"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"-?(0|[1-9]\d{0,14})"),
    "float": re.compile(r"-?(0|[1-9]\d{0,14})\.\d{1,15}"),
}
# What ruamel takes for text, and yaml.v3 for a number or a time.
_NO_TEXT = re.compile(
    r"[-+]?0[XBO][\dA-Fa-f_]+"
    r"|[-+]?(\.\d+|\d[\d_]*(\.[\d_]*)?)[eE]_*[-+]?[\d_]+"
    r"|\d{4}-\d\d?-\d\d?([Tt ]\d\d?:\d\d?:\d\d?(\.\d+)?(Z|[-+]\d\d:\d\d)?)?"
)


class Config:
    """The config of a stack file.

    `values` is that of our namespace by key, `region` that of aws:region; `hidden` are the paths of what is encrypted,
    with a stand-in for a value. `faults` says what could not be read.
    """

    def __init__(self, section: Any, stand_in: str) -> None:
        """`section` is the node behind `config:`."""
        self.values: dict[str, Any] = {}
        self.region: str | None = None
        self.hidden: list[KeyPath] = []
        self.faults: list[Fault] = []
        self._stand_in = stand_in
        self._lines: dict[KeyPath, int] = {}
        self._open: list[Any] = []  # the nodes that the one being read is in
        for key, node in section.value:
            if key.id != "scalar":
                continue  # which Pulumi refuses
            name = key.value.removeprefix(f"{NAMESPACE}:")
            if name != key.value or ":" not in name:
                self._enter(self.values, name, key, node, ())
            elif name == "aws:region" and node.id == "scalar":
                self.region = node.value
        # as Pulumi has it of a key without a value, but not of one further in
        self.values = {name: "" if value is None else value for name, value in self.values.items()}

    def line(self, path: KeyPath) -> int | None:
        """The line of the deepest part of `path` that the file has; None where it has none of it."""
        known = (self._lines.get(path[:depth]) for depth in range(len(path), 0, -1))
        return next((line for line in known if line is not None), None)

    def _enter(self, section: dict[str, Any], name: str, key: Any, node: Any, above: KeyPath) -> None:
        at = (*above, name)
        if name in section:
            self.faults.append(Fault(at, "stands there a second time; keep one of them"))
        self._lines[at] = key.start_mark.line + 1
        section[name] = self._value(node, at)

    def _value(self, node: Any, at: KeyPath) -> Any:
        if node.id == "scalar":
            return self._scalar(node, at)
        if any(node is one for one in self._open):
            self.faults.append(Fault(at, "holds itself"))
            return {} if node.id == "mapping" else []
        self._open.append(node)
        try:
            return self._collection(node, at)
        finally:
            self._open.pop()

    def _collection(self, node: Any, at: KeyPath) -> Any:
        if node.tag not in (f"{_YAML}map", f"{_YAML}seq"):
            self._complain(at)
        if node.id == "mapping":
            return self._section(node, at)
        values = []
        for index, item in enumerate(node.value):
            self._lines[*at, index] = item.start_mark.line + 1
            values.append(self._value(item, (*at, index)))
        return values

    def _section(self, node: Any, at: KeyPath) -> Any:
        if [key.value for key, _ in node.value] == ["secure"]:
            self.hidden.append(at)
            return self._stand_in
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{_YAML}merge":
                for base in reversed(value.value if value.id == "sequence" else [value]):
                    found = self._value(base, at)
                    if isinstance(found, dict):
                        merged |= found
                    else:
                        self._complain(at)
            elif key.id == "scalar":
                self._enter(own, key.value, key, value, at)
            else:
                self._complain(at)
        return merged | own

    def _scalar(self, node: Any, at: KeyPath) -> Any:
        kind, text = node.tag.removeprefix(_YAML), node.value
        if kind == "str" and (node.style is not None or not _NO_TEXT.fullmatch(text)):
            return text
        if node.style is not None or kind not in _ALIKE or not _ALIKE[kind].fullmatch(text):
            self._complain(at)
            return text
        return None if kind == "null" else json.loads(text.lower())

    def _complain(self, at: KeyPath) -> None:
        self.faults.append(
            Fault(
                at,
                "is written in a way that Pulumi reads otherwise (a leading zero or +, an exponent, _, a date, a tag): "
                "write numbers in plain digits and text in quotes",
            )
        )


def read(path: Path, stand_in: str) -> Config:
    """The config in a stack file; `stand_in` takes the place of what is encrypted.

    Raises WorkbenchError where there is no such file, it is no YAML (with the line), or has no config.
    """
    from ruamel.yaml import YAML

    text, yaml = text_of(path), YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # with lines of the file, secrets and all
    with complaining_of(path):
        root = yaml.compose(text)
    pairs = root.value if root is not None and root.id == "mapping" else []
    sections = [(key, node) for key, node in pairs if key.value == "config"]
    if len(sections) > 1:
        line = sections[1][0].start_mark.line + 1
        raise WorkbenchError(
            f"{path.name}, line {line}: there is a second section `config:`; make one of them."
        )
    for _, node in sections:
        if node.id == "mapping":
            with complaining_of(path):
                return Config(node, stand_in)
    raise WorkbenchError(f"{path.name}: there is no section `config:` with the stack's settings in it.")


def text_of(path: Path) -> str:
    """What a stack file holds. Raises WorkbenchError where there is none, or it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise WorkbenchError(
            f"{path.name} does not exist; `pulumi stack init NAME` and docs/aws.md show how to begin."
        ) from None
    except OSError as error:
        raise WorkbenchError(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise WorkbenchError(
            f"{path.name} is not UTF-8 (its byte {error.start + 1} is 0x{error.object[error.start]:02x}); save it in "
            "that encoding."
        ) from None


@contextmanager
def complaining_of(path: Path) -> Iterator[None]:
    """Turns what reading raises into a WorkbenchError with the line; no value is in it, which may be a secret."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or ""
        if "undefined alias" in said:
            said = "there is nothing of the name behind *; text that begins with * has to be in quotes"
        raise WorkbenchError(
            f"{path.name}, line {mark.line + 1 if mark else 1}: is not YAML: {said}."
        ) from None
    except YAMLError as error:
        said = error.reason if isinstance(error, ReaderError) else "it cannot be read"
        raise WorkbenchError(f"{path.name} is not YAML: {said}.") from None
    except RecursionError:
        raise WorkbenchError(
            f"{path.name} has sections or lists within each other hundreds of levels deep; no setting is as deep."
        ) from None
