"""Things that are done one after another, where one that fails keeps no other name's from being done."""

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench_host.accounts.records import Step
from workbench_host.accounts.words import phrase
from workbench_host.tools import FailureError, reason

# What a home can be the cause of too, by its names and its files: nobody is to hold up the others with it.
FAULTS = (FailureError, OSError, ValueError, tarfile.TarError)


@dataclass
class Attempts:
    """`failures` has a sentence for each thing that failed, `failed` the users that it was about."""

    failures: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def make(self, what: str, function: Callable[..., object], *arguments: object) -> bool:
        """Whether the function could be called to its end; `what` it does stands in the sentence where not."""
        try:
            function(*arguments)
        except FAULTS as error:
            self.failures.append(f"could not {what}: {reason(error)}")
            return False
        return True

    def take(self, decided: Step, verbs: Mapping[str, Callable[[str, Any], None]]) -> None:
        """Does one step of a plan."""
        verb, name = decided.verb, decided.name
        if self.make(f"{phrase(decided)} of {name}", verbs[verb], name, decided.value):
            print(f"{verb} {name}")
        else:
            self.failed.add(decided.user)

    def finish(self) -> None:
        """Raises FailureError with all that failed."""
        if self.failures:
            raise FailureError("; ".join(self.failures))
