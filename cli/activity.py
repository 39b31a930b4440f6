"""Who is at work on the server, in words."""

from collections.abc import Sequence

from cli import remote
from workbench.host import program_path
from workbench.outputs import Outputs
from workbench_host.activity import Person

ACTIVITY = program_path("activity")
_TIMEOUT = 60  # seconds; it looks for one, and a server may be busy


def people(facts: Outputs) -> list[Person]:
    """Who is logged in or computes at the moment, by name. Raises WorkbenchError where the server does not say."""
    told = remote.report_of(facts, f"{ACTIVITY} --json", _TIMEOUT, "who is at work")
    return [Person(**one) for one in told["people"]]


def described(person: Person) -> str:
    """What somebody is at: "ada: 1 login, 2 kernels, computing"."""
    counted = ((person.logins, "login"), (person.kernels, "kernel"), (person.rstudio, "RStudio session"))
    words = [f"{number} {what}{'s' if number > 1 else ''}" for number, what in counted if number]
    return f"{person.user}: {', '.join([*words, 'computing' if person.computing else 'idle'])}"


def lines(found: Sequence[Person]) -> list[str]:
    """A line for each person; one that says so where there is nobody."""
    return [described(one) for one in found] or ["nobody"]
