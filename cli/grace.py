"""Users are told what is coming, and are given time; until it has run out nothing is changed."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli import common, notice
from cli.common import console
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

MOST_MINUTES = 1440
TELL_SECONDS = 60.0
LATER_SECONDS = 120  # after which a notice goes by itself, were this killed and could not take it back
SAVE = "Please save your work."
NOTHING = "nothing was changed"
GraceOption = Annotated[
    int,
    typer.Option(
        "--grace",
        metavar="MINUTES",
        help=f"tell users, and wait so long first: 0 to {MOST_MINUTES}",
    ),
]


def judge(minutes: int) -> None:
    """Raises WorkbenchError where it is no time that people can be given."""
    if not 0 <= minutes <= MOST_MINUTES:
        raise WorkbenchError(
            f"--grace is {minutes}; takes minutes from 0 (at once) to {MOST_MINUTES} (a day). Nothing was changed."
        )


def wait(
    facts: Outputs | None, minutes: int, what: str, please: str = SAVE, called_off: str = NOTHING
) -> None:
    """Tells users that `what` ("is stopped") is coming, and waits; who comes back from it calls `over` in the end.

    `please`: what they had better do. Interrupted, it takes the notice back and raises KeyboardInterrupt: `called_off`
    says how it is then. Raises WorkbenchError, with the same, where users could not be told.
    """
    if not minutes or facts is None:
        return
    when = datetime.now(UTC) + timedelta(minutes=minutes)
    text = f"The workbench {what} at {when:%H:%M} UTC, in {_said(minutes)}. {please}"
    try:
        notice.tell(facts, text, minutes * 60 + LATER_SECONDS)
    except WorkbenchError as error:
        raise WorkbenchError(f"Users could not be told, so {called_off}: {error}") from None
    try:
        with common.stage(f"Users are told, and have until {when:%H:%M} UTC"), interruptible(called_off):
            _wait(minutes * 60.0)
    except BaseException:
        over(facts, minutes)
        raise


def over(facts: Outputs | None, minutes: int) -> None:
    """Takes back what `wait` told. A server that does not answer is no reason to fail: it shows nothing."""
    if not minutes or facts is None:
        return
    try:
        notice.take_back(facts)
    except WorkbenchError as error:
        console.print(f"The notice could not be taken back: {error}", markup=False)


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        console.print(
            f"  {left / 60:.0f} min left; Ctrl-C calls it off" if left > 90 else f"  {left:.0f} s left"
        )
        time.sleep(min(TELL_SECONDS, left))


@contextmanager
def interruptible(called_off: str = NOTHING) -> Iterator[None]:
    """What ends this process from outside calls it off as Ctrl-C does; what it ignores, as under nohup, it ignores.

    `called_off`: how it is then.
    """

    def call_off(*_: Any) -> None:
        raise KeyboardInterrupt

    ends = (signal.SIGTERM, signal.SIGHUP)
    wanted = [number for number in ends if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, call_off) for number in wanted}
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"Called off: {called_off}.", markup=False)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _said(minutes: int) -> str:
    return "a minute" if minutes == 1 else f"{minutes} minutes"
