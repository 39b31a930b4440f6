"""`-q` and `-v`, which every command takes: nothing but errors, or all that the programs say that it runs."""

import functools
import inspect
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from cli.common import console

_LONGEST = 200  # characters of a command that is shown
_SECONDS = 0.2  # between two looks at a log

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="say nothing but errors; the exit status tells the rest")
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="say which programs are run, and all that Pulumi and pyinfra say"),
]


class _Level:
    verbose = False


def choose(quiet: bool, verbose: bool) -> None:
    """From here on this process is so loud. What one of both is not set says nothing."""
    console.quiet = console.quiet or quiet
    if verbose and not _Level.verbose:
        _Level.verbose = True
        sys.addaudithook(_tell_of_programs)


def loud(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with both options added to its own."""

    @functools.wraps(command)
    def chosen(*args: Any, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        choose(quiet, verbose)
        return command(*args, **kwargs)

    added = {"quiet": QuietOption, "verbose": VerboseOption}
    signature = inspect.signature(command, eval_str=True)
    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in added.items()
    ]
    chosen.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *further])  # type: ignore[attr-defined]
    chosen.__annotations__ = {**command.__annotations__, **added}
    return chosen


@contextmanager
def quiet_prints(always: bool = False) -> Iterator[None]:
    """What prints meanwhile without the console is as quiet as that, or `always`."""
    with ExitStack() as held:
        if always or console.quiet:
            held.enter_context(redirect_stdout(held.enter_context(open("/dev/null", "w"))))  # noqa: PTH123
        yield


@contextmanager
def telling(*logs: Path) -> Iterator[None]:
    """With `-v`, passes on to standard error what is written to these files meanwhile; each may be made anew."""
    if not _Level.verbose:
        yield
        return
    ended = threading.Event()
    threads = [
        threading.Thread(target=_follow, args=(log, *_opened(log, os.SEEK_END), ended), daemon=True)
        for log in logs
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _follow(log: Path, file: IO[str] | None, number: int, ended: threading.Event) -> None:
    """Passes on what is added to an open file of this number, and to those that replace it, until `ended`."""
    last = False
    while True:
        if log.exists() and log.stat().st_ino != number:
            file, number = _opened(log)
        if file is not None:
            sys.stderr.write(file.read())
            sys.stderr.flush()
        if last:
            return
        last = ended.wait(_SECONDS)


def _opened(log: Path, whence: int = os.SEEK_SET) -> tuple[IO[str] | None, int]:
    try:
        file = log.open(errors="replace")
    except FileNotFoundError:
        return None, 0
    file.seek(0, whence)
    return file, os.fstat(file.fileno()).st_ino


def _tell_of_programs(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        line = " ".join(shlex.join(map(str, arguments[1])).split())
        shown = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
        sys.stderr.write(f"+ {shown}\n")  # at once: two questions may be asked side by side
        sys.stderr.flush()
