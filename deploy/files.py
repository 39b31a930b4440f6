"""Files on the host that come from templates: rendered here, checked there, and replaced in one step.

A file's content travels over the SSH channel's standard input, never through a file that others may read, a command
line, or a message; so `--diff` and `-vvv` show no secret either.
"""

import base64
import contextlib
import hashlib
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shlex import join, quote
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host, state

from workbench import ROOT
from workbench_host.tools import DATA_VOLUME

TEMPLATES = ROOT / "templates"
COMPILED = ROOT / ".cache" / "templates"


class Compiled(FileSystemBytecodeCache):
    """Compiled templates, of which each deploy needs nearly all; a help only, for whoever may write there."""

    def __init__(self) -> None:
        # jinja2 itself keeps apart neither its versions nor an environment's options, and leaves a file to its user.
        kind = hashlib.sha256(f"{version('jinja2')} {os.getuid()} ".encode() + Path(__file__).read_bytes())
        folder = COMPILED / kind.hexdigest()[:12]
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        super().__init__(str(folder))

    def load_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=Compiled(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - these are configuration files; an HTML page uses the filter `e`
    )
    environment.globals["data_volume"] = DATA_VOLUME
    return environment


def render(name: str, **variables: object) -> str:
    """The text of templates/`name`, such as "base/journald.conf.j2". A variable it lacks raises UndefinedError."""
    return _environment().get_template(name).render(**variables)


@dataclass(frozen=True)
class Content:
    """A file's bytes, kept out of every representation that pyinfra may print."""

    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def lines(self) -> list[str]:
        """Base64 in lines, as `base64 -d` takes them."""
        return base64.encodebytes(self.data).decode().splitlines()


class Described(StringCommand):
    """A command that says what it does in a few words, which may be shown: the script itself is hard to read.

    Of several things, each is in a line of its own.
    """

    def __init__(self, script: str, what: str, **arguments: Any) -> None:
        super().__init__(script, **arguments)
        self.what = what


class Refused(Described):
    """One that will fail, which is known before anything is done; `what` is the sentence that says why."""


@dataclass(frozen=True)
class State:
    """What stands at a path: its kind as `stat %F` says it, octal mode without leading zeros, owners, digest."""

    kind: str
    mode: str
    user: str
    group: str
    sha256: str


def digests(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Digest and path of each line of sha256sum's. Raises ValueError for a path that it writes in another way."""
    if odd := [line for line in lines if line.startswith("\\")]:
        raise ValueError(odd)
    return [(digest, path) for digest, path in (line.split("  ", 1) for line in lines)]


class FileState(FactBase[State | None]):
    """The State of a path on the host, None where nothing is. A link is not followed."""

    def command(self, path: str) -> str:
        return self.batch([{"path": path}])

    def process(self, output: list[str]) -> State | None:
        end = output.index("")
        if end == 0:
            return None
        _, kind, mode, user, group = output[0].rsplit("|", 4)
        sums = digests(output[end + 1 :])
        return State(kind, mode, user, group, sums[0][0] if sums else "")

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        paths = join(one["path"] for one in asked)
        return (
            f"LC_ALL=C stat -c '%n|%F|%a|%U|%G' {paths} 2>/dev/null; echo; set --; "
            f'for at in {paths}; do if [ -f "$at" ] && [ ! -L "$at" ]; then set -- "$@" "$at"; fi; done; '
            '[ $# -eq 0 ] || sha256sum "$@" 2>/dev/null || true'
        )

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        end = output.index("")
        states = {line.rsplit("|", 4)[0]: line for line in output[:end]}
        sums = dict(zip((path for _, path in digests(output[end + 1 :])), output[end + 1 :], strict=True))
        paths = [one["path"] for one in asked]
        return [
            [*([states[path]] if path in states else []), "", *([sums[path]] if path in sums else [])]
            for path in paths
        ]


@dataclass(frozen=True)
class Placement:
    """How a file is put in place: its octal mode and its owners, and who judges it before.

    `validate` is a shell command in which `{}` stands for the new file; where it fails, the file in use stays and the
    operation fails with what the command said.
    """

    mode: str = "644"
    user: str = "root"
    group: str = "root"
    validate: str | None = None


_coming: dict[tuple[str, str], Content] = {}  # by host and path


def expect(path: str, content: Content) -> None:
    """Notes what this run is going to put at a path of the present host."""
    _coming[str(host), path] = content


def coming(path: str) -> Content | None:
    """What is expected at a path of the present host; None where nothing is, or once operations run.

    A dry run puts nothing there. What reads the file has to know it all the same, to tell what it would do.
    """
    return None if state.is_executing else _coming.get((str(host), path))


def template(source: str, dest: str, variables: Mapping[str, Any] | None = None, **how: Any) -> OperationMeta:
    """An operation that puts the rendered templates/`source` at `dest` where content, mode or owner differ.

    `how` are the fields of Placement, and pyinfra's own arguments (`_if`).
    """
    return put(
        content=Content(render(source, **variables or {}).encode()), dest=dest, **{"name": dest, **how}
    )


def copy(source: str, dest: str, **how: Any) -> OperationMeta:
    """An operation that puts templates/`source` at `dest` as it is, since no setting changes it; `how` as there."""
    return put(content=Content((TEMPLATES / source).read_bytes()), dest=dest, **{"name": dest, **how})


@operation()
def put(
    content: Content,
    dest: str,
    mode: str = "644",
    user: str = "root",
    group: str = "root",
    validate: str | None = None,
) -> Generator[StringCommand, None, None]:
    """Puts `content` at `dest`. Give it a `name`, since pyinfra shows the arguments of operations without one."""
    how = Placement(mode.lstrip("0"), user, group, validate)
    there = host.get_fact(FileState, path=dest)
    same_content = there is not None and there.kind != "symbolic link" and there.sha256 == content.sha256
    if there is not None and same_content:
        if (there.mode, there.user, there.group) == (how.mode, user, group):
            host.noop(f"{dest} is as it should be")
        else:
            yield Described(
                f"chown {user}:{group} {quote(dest)} && chmod {how.mode} {quote(dest)}",
                f"{dest} is {there.user}:{there.group} {there.mode}, to be {user}:{group} {how.mode}",
            )
        return
    expect(dest, content)
    yield replacing(content, dest, how, new=there is None)


def replacing(
    content: Content, dest: str, how: Placement = Placement(), then: str = "true", *, new: bool = False
) -> StringCommand:
    """The command that replaces `dest` by `content`, and runs the shell command `then` afterwards."""
    script = replace_script(dest, len(content.data), how)
    verb, size = "make" if new else "replace", len(content.data)
    what = f"{verb} {dest} ({size} bytes, {how.user}:{how.group} {how.mode})"
    return Described(f"{script} && {then}", what, _stdin=content.lines())


def replace_script(dest: str, size: int, how: Placement) -> str:
    """Shell that reads base64 of `size` bytes and replaces `dest` by them: all of them or nothing, killed or not.

    Where this machine dies half-way through, the host sees the end of its input: hence the size. The new file is made
    beside the old one, readable by root alone, and hidden, so that programs that read all files of a folder pass it by.
    A `dest` that is a mount point of its own cannot be renamed over, and is written in place.
    """
    at, folder, name = quote(dest), quote(str(Path(dest).parent)), quote(Path(dest).name)
    check = how.validate.replace("{}", '"$new"') if how.validate else "true"
    return (
        f"umask 022 && mkdir -p {folder} && umask 077 && rm -f {folder}/.{name}.?????? && "
        f"new=$(mktemp {folder}/.{name}.XXXXXX) && trap 'rm -f \"$new\"' EXIT && "
        f'base64 -d > "$new" && [ "$(stat -c %s "$new")" -eq {size} ] && '
        f'chown {how.user}:{how.group} "$new" && chmod {how.mode} "$new" && {{ {check}; }} && sync "$new" && '
        f'if findmnt -rn -M {at} > /dev/null; then cat "$new" > {at} && chmod {how.mode} {at}; '
        f'else mv -fT "$new" {at}; fi'
    )
