"""Asking AWS, and waiting for what it does: every wait has an end, and says what it is for."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import cloud
from cli.common import console
from workbench.errors import WorkbenchError

WAIT_SECONDS = 600.0  # for what AWS does within seconds
KNOWN_SECONDS = 60.0  # until AWS knows everywhere of what it has just made
TELL_SECONDS = 60.0  # between two words of what is waited for


@contextmanager
def asking(what: str) -> Iterator[None]:
    """What AWS refuses in here is said in a sentence that begins with what was to be done."""
    try:
        yield
    except ClientError as error:
        code, said = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        raise WorkbenchError(f"{what} failed, AWS refused it: {said or code}") from None
    except BotoCoreError as error:
        raise WorkbenchError(f"{what} failed: {error}") from None


@contextmanager
def gone_is_fine(code: str) -> Iterator[None]:
    """boto3 asks again where it got no answer in time; AWS has deleted it by then."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def until(
    look: Callable[[], Any],
    tell: Callable[[Any], str],
    wanted: str,
    what: str,
    within: float | None = None,
    advice: str = "the same command tries again",
    final: Collection[str] = ("error",),
) -> Any:
    """What `look` finds, once `tell` says of it what is wanted; tells now and then how it is until then.

    Raises WorkbenchError, with the `advice`, where that is not so `within` seconds (else WAIT_SECONDS), or it is in a
    `final` state, of which nothing more becomes.
    """
    began = told = time.monotonic()
    within = WAIT_SECONDS if within is None else within
    while True:
        with asking(f"Asking for {what}"):
            found = look()
        state = tell(found) if found is not None else "gone"
        if state == wanted:
            return found
        now = time.monotonic()
        if state in final or now - began > (min(KNOWN_SECONDS, within) if state == "gone" else within):
            raise WorkbenchError(
                f"{what[0].upper()}{what[1:]} is {state or 'unknown'}, and not {wanted} as it should be, after "
                f"{now - began:.0f} s: {advice}."
            )
        if now - told > TELL_SECONDS:
            told = now
            console.print(f"  {what} is {state} ...", markup=False)
        time.sleep(cloud.POLL_SECONDS / 3)
