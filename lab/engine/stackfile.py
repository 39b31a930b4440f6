"""Pulumi.<stack>.yaml: the stack's config, its secrets encrypted, comments kept.

A value is a string, a number, a boolean, or an object; `secure: CIPHERTEXT` stands for a secret anywhere
in it. The program gets every value as a string, an object as JSON (source: `pulumi config --help`).
"""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from lab.engine import paths
from lab.engine.crypto import Crypter, crypter_of, new_salt, passphrase
from lab.engine.files import write_atomically
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class ConfigValue:
    """One configured value: `value` decrypted where that was asked for, else with None for each secret."""

    value: Any
    secret: bool

    @property
    def is_object(self) -> bool:
        return isinstance(self.value, dict | list)

    @property
    def text(self) -> str:
        """The value as the program gets it."""
        return as_text(self.value)


def as_text(value: Any) -> str:
    """As the Pulumi CLI writes it: strings as they are, numbers and booleans as in JSON, objects as JSON."""
    return value if isinstance(value, str) else go_json(value)


def go_json(value: Any) -> str:
    """Compact JSON as Go's json.Marshal writes it: sorted keys, and <, > and & escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class StackFile:
    """The stack file at `path`, which need not exist yet."""

    def __init__(self, path: Path, project: str) -> None:
        self.path = path
        self._project = project
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 4096
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            data = self._yaml.load(text)
        except (OSError, YAMLError) as error:
            raise WorkbenchError(f"{path.name} cannot be read as YAML: {error}") from error
        if data is not None and not isinstance(data, dict):
            raise WorkbenchError(f"{path.name} must hold `config:` with the settings in it")
        self._data: Any = CommentedMap() if data is None else data
        if not isinstance(self._config, dict):
            raise WorkbenchError(f"{path.name}: `config:` must hold keys and their values")

    @property
    def _config(self) -> Any:
        config = self._data.get("config")
        return CommentedMap() if config is None else config

    @property
    def salt(self) -> str | None:
        salt = self._data.get("encryptionsalt")
        return None if salt is None else str(salt)

    def crypter(self) -> Crypter:
        """The crypter of the stack's secrets; the salt must be there (`ensure_salt`)."""
        if self.salt is None:
            raise WorkbenchError(
                f"{self.path.name} holds no encryptionsalt, by which the stack's secrets are encrypted:"
                f" put the line back, or make the stack with `pulumi stack init`"
            )
        return crypter_of(passphrase(), self.salt)

    def ensure_salt(self, salt: str | None = None) -> None:
        """Give the stack a salt (this one, or a new one) if it has none, and save."""
        if self.salt is None:
            self._data["encryptionsalt"] = salt or new_salt(passphrase())
            self.save()

    def key(self, key: str) -> str:
        """The full name of a config key: without a namespace it is the project's."""
        return key if ":" in key else f"{self._project}:{key}"

    def values(self, decrypt: bool) -> dict[str, ConfigValue]:
        """All of the config, by full key, sorted."""
        crypter = self.crypter() if decrypt and self._has_secrets() else None
        return {
            key: ConfigValue(_read(node, crypter), _is_secret(node))
            for key, node in sorted(self._nodes().items())
        }

    def _nodes(self) -> dict[str, Any]:
        return {self.key(str(name)): node for name, node in self._config.items()}

    def _has_secrets(self) -> bool:
        return any(_is_secret(node) for node in self._config.values())

    def get(self, key: str, is_path: bool) -> ConfigValue | None:
        """One value, decrypted; None where it is not set."""
        name, steps = self._locate(key, is_path)
        try:
            node = paths.get(self._nodes(), [name, *steps])
        except KeyError:
            return None
        secret = _is_secret(node)
        return ConfigValue(_read(node, self.crypter() if secret else None), secret)

    def set(self, key: str, text: str, secret: bool, is_path: bool) -> None:
        """Set a value and save. By a path, true, false and whole numbers are no strings (as in the CLI)."""
        name, steps = self._locate(key, is_path)
        value: Any = _typed(text) if is_path else text
        if secret:
            self.ensure_salt()
            value = CommentedMap(secure=self.crypter().encrypt(text))
        if not isinstance(self._data.get("config"), dict):
            self._data["config"] = CommentedMap()
        paths.put(self._config, [self._written(name), *steps], value)
        self.save()

    def remove(self, key: str, is_path: bool) -> bool:
        """Remove a value and save; False where it was not set."""
        name, steps = self._locate(key, is_path)
        removed = paths.remove(self._config, [self._written(name), *steps])
        if removed:
            self.save()
        return removed

    def _locate(self, key: str, is_path: bool) -> tuple[str, list[paths.Step]]:
        if not is_path:
            return self.key(key), []
        namespace, _, path = self.key(key).partition(":")
        first, *rest = paths.parse(path)
        return f"{namespace}:{first}", rest

    def _written(self, name: str) -> str:
        """The key as it stands in the file, where the project's namespace may be left out."""
        return next((str(key) for key in self._config if self.key(str(key)) == name), name)

    def save(self) -> None:
        stream = io.StringIO()
        self._yaml.dump(self._data, stream)
        # Committed with the project: the secrets in it are encrypted.
        write_atomically(self.path, stream.getvalue(), mode=0o644)


def _is_secure(node: Any) -> bool:
    return isinstance(node, dict) and list(node) == ["secure"] and isinstance(node["secure"], str)


def _is_secret(node: Any) -> bool:
    if _is_secure(node):
        return True
    if isinstance(node, dict):
        return any(_is_secret(item) for item in node.values())
    return isinstance(node, list) and any(_is_secret(item) for item in node)


def _read(node: Any, crypter: Crypter | None) -> Any:
    """A YAML node as plain values, its secrets decrypted by `crypter` or None without one."""
    if _is_secure(node):
        return crypter.decrypt(str(node["secure"])) if crypter else None
    if isinstance(node, CommentedMap | dict):
        return {str(key): _read(item, crypter) for key, item in node.items()}
    if isinstance(node, CommentedSeq | list):
        return [_read(item, crypter) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)  # dates, which YAML reads on its own


def _typed(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d*)", text) else text
