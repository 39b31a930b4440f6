"""The host's programs: `workbench_host`, `workbench_hub` and `workbench_server`, one archive, switched by one link.

/usr/local/lib/workbench/host-DIGEST has the package and, in `bin/`, a command for each of its PROGRAMS; the link `host`
beside it leads to the one in use. A program finds its modules in the folder that it was started from, so that new code
never meets old modules, and what the deploy asks is asked of its own version only.
"""

import ast
import hashlib
import io
import json
import tarfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from shlex import join, quote, split
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

import workbench_host
import workbench_hub
import workbench_server
from deploy.files import Content, Described, Refused, coming, expect
from workbench.host import LIBRARY, PROGRAMS, program_path
from workbench_host import tools

CONFIG = tools.CONFIG
FOLDER, LINK = LIBRARY, PROGRAMS
PACKAGES = {package.__name__: package for package in (workbench_host, workbench_hub, workbench_server)}
PYTHON_COMPILES = "python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], \"exec\")' {}"

# Isolated and without the site module, which starts quickly and goes by nobody's environment. The folder is named as it
# is, not by the link, which may lead elsewhere by the time that a module is imported.
_COMMAND = """\
#!/usr/bin/python3 -IS
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
from workbench_host.{module} import main
sys.exit(main(sys.argv[1:]))
"""
# One digest of all files but those that Python compiled: of what sha256sum says of them, in the order of their names.
_DIGEST = "find . -type f ! -name '*.pyc' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c-12"


@cache
def contents() -> dict[str, bytes]:
    """The archive's files by their names in it."""
    roots = [Path(str(package.__file__)).parent for package in PACKAGES.values()]
    modules = {
        file.relative_to(root.parent).as_posix(): file.read_bytes()
        for root in roots
        for file in root.rglob("*.py")
    }
    commands = {
        f"bin/{name}": _COMMAND.format(module=module).encode()
        for name, module in workbench_host.PROGRAMS.items()
    }
    return {**modules, **commands}


@cache
def digest() -> str:
    """What tells this archive from others, as the host finds it from the files."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  ./{name}\n" for name, data in contents().items()]
    ordered = "".join(sorted(lines, key=lambda line: line.split("  ", 1)[1].encode()))
    return hashlib.sha256(ordered.encode()).hexdigest()[:12]


def folder() -> str:
    """Where this archive lies on the host."""
    return f"{FOLDER}/host-{digest()}"


def archive() -> Content:
    """The archive itself (gzip)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in contents().items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(data))
    return Content(packed.getvalue())


def reads(name: str) -> list[str]:
    """All that the command `name` runs, on the host: for the unit that runs it on and on."""
    return [program_path(name), *_files([f"workbench_host.{workbench_host.PROGRAMS[name]}"])]


def modules(package: str) -> list[str]:
    """All of one of our packages, and what it imports of the others: for the unit that runs it on and on."""
    inside = [name for name in contents() if name.startswith(f"{package}/")]
    return _files([name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in inside])


def _files(pending: list[str]) -> list[str]:
    """The files on the host of these modules, and of all of ours that they import."""
    seen = set[str]()
    while pending:
        module = pending.pop()
        if module not in seen:
            seen.add(module)
            pending += _imported(module)
    return sorted(f"{LINK}/{_file(module)}" for module in seen)


def _file(module: str) -> str:
    """A module's file in the archive, or its package's."""
    at = module.replace(".", "/")
    return f"{at}.py" if f"{at}.py" in contents() else f"{at}/__init__.py"


def _imported(module: str) -> Iterator[str]:
    """Our modules that one of them imports, and the packages that they are in."""
    for node in ast.walk(ast.parse(contents()[_file(module)])):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            for found in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                if _file(found) in contents():
                    yield found
    if "." in module:
        yield module.rpartition(".")[0]


class Installed(FactBase[str]):
    """The digest of the archive that the link leads to, as its files are; empty where it leads nowhere."""

    def command(self) -> str:
        return f'cd {LINK} 2>/dev/null && [ "$(readlink {LINK})" = "host-$({_DIGEST})" ] && {_DIGEST} || true'

    @staticmethod
    def default() -> str:
        return ""


@operation()
def install() -> Generator[StringCommand, None, None]:
    """Puts the archive on the host, whole or not at all, and has the link lead to it. The one before stays."""
    if host.get_fact(Installed) == digest():
        host.noop("the programs are there")
        return
    for file, data in contents().items():
        expect(f"{LINK}/{file}", Content(data))
    content, name = archive(), PurePosixPath(folder()).name
    script = (
        f"umask 022 && mkdir -p {FOLDER} && cd {FOLDER} && rm -rf new && mkdir new && base64 -d | tar -xz -C new && "
        f'cd new && [ "$({_DIGEST})" = {digest()} ] && python3 -Im compileall -q . && sync . && cd .. && '
        f"rm -rf {name} && mv -T new {name} && ln -sfn {name} link && before=$(readlink host; true) && "
        f"mv -fT link host && find . -maxdepth 1 -name 'host-*' ! -name {name} ! -name \"$before\" -exec rm -rf {{}} +"
    )
    yield Described(script, f"install the host's programs ({len(contents())} files)", _stdin=content.lines())


@dataclass(frozen=True)
class Reply:
    """A program's exit status, and the lines of its standard output."""

    status: int
    lines: tuple[str, ...]


class Says(FactBase[Reply]):
    """What one of our programs says, called so that it changes nothing: the `line` is its name and its arguments.

    Only this archive's programs are asked; where the host does not have it, nothing is known.
    """

    def command(self, line: str) -> str:
        return self.batch([{"line": line}])

    def process(self, output: list[str]) -> Reply:
        status, said = json.loads(output[0])
        return Reply(status, tuple(said.split("\n")[:-1]))

    @staticmethod
    def default() -> Reply:
        return Reply(127, ())

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        lines = json.dumps([split(one["line"]) for one in asked])
        return f"{join([f'{folder()}/bin/ask', lines])} 2>/dev/null || true"

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        return [[line] for _, line in zip(asked, output, strict=True)]


class SaysOf(Says):
    """What a program says of a file that is to come: its content is on the standard input, in base64."""

    def command(self, line: str) -> str:
        return f"base64 -d | {self.batch([{'line': line}])}"


@operation()
def run(
    program: str, arguments: Sequence[str] = (), reads: str | None = None
) -> Generator[StringCommand, None, None]:
    """Runs a program where its `--check` says that something would change, or cannot say.

    `reads` is the file that says what is wanted. Where this run is going to replace it, the check is about the new one,
    so that a dry run tells what follows from it. What the check says is shown: it names no secret.
    """
    line = join([program, *arguments, "--check"])
    new = coming(reads) if reads else None
    reply = (
        host.get_fact(SaysOf, line=f"{line} {tools.GIVEN}", _stdin=new.lines())
        if new
        else host.get_fact(Says, line=line)
    )
    if reply.status == tools.CLEAN:
        host.noop(f"{quote(program)} finds nothing to do")
        return
    command, what = join([program_path(program), *arguments]), "\n".join(reply.lines)
    if not what:
        yield Described(command, f"run {command}, which cannot say before what it would change")
    elif reply.status == tools.WOULD_CHANGE:
        yield Described(command, what)
    else:
        yield Refused(command, what)
