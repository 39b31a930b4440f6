"""A deploy of the tests' own, for tests/deploy/test_connector.py: facts of all kinds, noted on the host.

It runs by our connector and by pyinfra's own, which must leave the same behind.
"""

import json
from collections.abc import Generator
from shlex import quote

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

FOLDER = "/run/connector-test"


class Says(FactBase[list[str]]):
    """The lines that a shell command says."""

    def command(self, line: str) -> str:
        return line

    def process(self, output: list[str]) -> list[str]:
        return output

    @staticmethod
    def default() -> list[str]:
        return []


@operation()
def note(line: str, dest: str) -> Generator[StringCommand, None, None]:
    """Writes what the fact `line` says to a file of FOLDER, as JSON, where that says something else."""
    said = json.dumps(host.get_fact(Says, line=line))
    said = said if len(said) < 1000 else str(len(said))
    if host.get_fact(Says, line=f"cat {FOLDER}/{dest} 2>/dev/null || true", _sudo=True, _sudo_user=None) != [
        said
    ]:
        yield StringCommand(
            f"mkdir -p {FOLDER} && cat > {FOLDER}/{dest}", _stdin=[said], _sudo=True, _sudo_user=None
        )


ODD = "printf '%s\\n' \"it's\" '\"quoted\"' '$HOME'; printf 'two\nlines\n\n'; echo größe ∑"
note(line="id -un; echo $HOME $PATH $SHELL $USER; umask; pwd; locale", dest="root", name="As root")
note(line="id -un; echo $HOME $PATH", dest="ada", name="As ada", _sudo_user="ada")
note(line="id -un; echo $HOME $PATH", dest="admin", name="As the administrator", _sudo=False)
note(line="echo $WHO", dest="environment", name="With an environment", _env={"WHO": "somebody else"})
note(line="echo $WHO", dest="none", name="Without it")
note(line=ODD, dest="odd", name="Quotes and newlines")
note(line="printf 'no text: \\377\\376\\n'; true", dest="binary", name="Binary", _ignore_errors=True)
note(line="head -c 5000000 /dev/zero | tr '\\0' x; echo", dest="big", name="Five megabytes")
note(line=f"cat {FOLDER}/hand 2>/dev/null || true", dest="first", name="What somebody wrote by hand")
note(line=f"cat {FOLDER}/first", dest="second", name="What an operation before wrote")
note(line=quote("true"), dest="last", name="Nothing")
