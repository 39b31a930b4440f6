"""The stack file itself, Pulumi.<stack>.yaml: judged offline with line numbers, and edited without losing comments."""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import config, pulumi_yaml, team
from workbench.errors import WorkbenchError
from workbench.faults import NAMESPACE, Fault, key_of
from workbench.settings import Settings
from workbench.stack import ROOT, short_name

# Stands in for a value that only `pulumi` can decrypt. It has the form of a password hash, the one setting that is
# worth encrypting, so that the rest is judged all the same.
_ENCRYPTED = "$6$encrypted$" + "x" * 86


def path_of(stack: str) -> Path:
    """Where the settings of a stack stand."""
    return ROOT / f"Pulumi.{short_name(stack)}.yaml"


@dataclass(frozen=True)
class Verdict:
    """Of a file that is fine: the keys of what is encrypted, which was not judged; and what is worth knowing."""

    hidden: list[str]
    notes: list[str]


def check(path: Path, locked: bool = True) -> Verdict:
    """Judges a stack file without asking anybody. Raises WorkbenchError: a sentence for each fault, with its line.

    So are the files that it names, and whether the locks of environments fit them; these not unless `locked`.
    """
    found = pulumi_yaml.read(path, _ENCRYPTED)
    faults, notes = list(found.faults), []
    try:
        settings = config.parse({f"{NAMESPACE}:{key}": value for key, value in found.values.items()})
        faults += _region(settings, found.region)
        faults += (team.faults if locked else team.sources)(path, settings)
        notes = [f"{_place(path, found, note)}: {note}" for note in settings.notes()]
    except config.SettingsError as error:
        unread = {fault.path for fault in faults}
        faults += [fault for fault in error.faults if fault.path not in unread]
    told = [fault for fault in faults if not any(fault.path[: len(at)] == at for at in found.hidden)]
    if told:
        raise WorkbenchError("\n".join(f"{_place(path, found, fault)}: {fault}" for fault in told))
    return Verdict([key_of(at) for at in found.hidden], notes)


def settings_of(path: Path) -> Settings:
    """The settings in a file that was judged, with a stand-in for each value that is encrypted."""
    found = pulumi_yaml.read(path, _ENCRYPTED)
    return config.parse({f"{NAMESPACE}:{key}": value for key, value in found.values.items()})


def placed(path: Path, fault: Fault) -> str:
    """The sentence about a setting, with the file's name and the line."""
    return f"{_place(path, pulumi_yaml.read(path, _ENCRYPTED), fault)}: {fault}"


def placed_of(stack: str, fault: Fault) -> str:
    """The same of a stack; without the file where that cannot be read, as where its settings are elsewhere."""
    try:
        return placed(path_of(stack), fault)
    except WorkbenchError:
        return str(fault)


def value_of(stack: str, key: str) -> Any:
    """One top-level setting as the file has it, None where it has none. Raises WorkbenchError."""
    return pulumi_yaml.read(path_of(stack), _ENCRYPTED).values.get(key)


def size_of(stack: str) -> str:
    """The server's size in a file that was judged."""
    return str(value_of(stack, "size"))


def _region(settings: Settings, region: str | None) -> Iterator[Fault]:
    """The zone lies in the region of the provider, where the file names that."""
    if region not in {None, settings.region}:
        yield Fault(
            ("zone",),
            f"is {settings.zone!r}, but aws:region is {region!r}; set that to {settings.region}, or choose a zone of "
            f"{region}",
        )


def _place(path: Path, found: pulumi_yaml.Config, fault: Fault) -> str:
    line = found.line(fault.path)
    return f"{path.name}, line {line}" if line else path.name


def set_value(path: Path, key: str, value: object) -> None:
    """Sets one top-level setting (`size`) in the file, leaving comments and other values as they are."""
    before, text = pulumi_yaml.text_of(path), io.StringIO()
    with pulumi_yaml.complaining_of(path):
        document = _yaml().load(before)
    document["config"][f"{NAMESPACE}:{key}"] = value
    _yaml().dump(document, text)
    write(path, text.getvalue())


def write(path: Path, text: str) -> None:
    """Puts `text` in the place of the file, whole or not at all, for its owner only: password hashes are in it.

    A group that may write it, as in a shared folder, goes on to. (What git checks out has the mode that git gives it.)
    Where the name is a link, as into a repository of stack files, it stays one. Raises WorkbenchError where the file
    cannot be written, which then is as it was.
    """
    path = path.resolve()
    temporary = path.with_suffix(".yaml.new")
    try:
        temporary.unlink(missing_ok=True)
        try:
            _fill(temporary, text, path)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WorkbenchError(
            f"{path.name} cannot be written in {path.parent}: {error.strerror}. It is as it was."
        ) from None


def _fill(temporary: Path, text: str, path: Path) -> None:
    """Makes a file with the owner and group of the one at `path`, as far as they may be given."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if path.exists():
            former = path.stat()
            os.fchmod(file.fileno(), 0o660 if former.st_mode & stat.S_IWGRP else 0o600)
            # In a shared folder it may be somebody else's, and only root gives files away.
            for owner in ((-1, former.st_gid), (former.st_uid, -1)):
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), *owner)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _yaml() -> Any:
    from ruamel.yaml import YAML  # a third of a second, which who reads no file is spared

    yaml = YAML()
    yaml.composer.warn_double_anchors = False  # with lines of the file, secrets and all
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
