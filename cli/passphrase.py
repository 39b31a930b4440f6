"""The passphrase that keeps a stack's secrets where its backend has no keys of its own (`pulumi login --local`, S3).

`pulumi` asks for it by itself. Here it runs where nobody can be asked, several times for a command, and so do pyinfra
and the program: they find it in the environment, as Pulumi's documents say for scripts.
"""

import getpass
import os
import sys

from workbench import stackfile

VARIABLE = "PULUMI_CONFIG_PASSPHRASE"
VARIABLES = (VARIABLE, f"{VARIABLE}_FILE")
SALT = "encryptionsalt:"  # in the stack file of each stack with a passphrase, by `pulumi stack init`


def ask(stack: str) -> None:
    """Asks for it once for this command, at a terminal and where it is not given. Else Pulumi says what is missing."""
    given = any(name in os.environ for name in VARIABLES)
    if not given and sys.stdin.isatty() and _is_locked(stack):
        os.environ[VARIABLE] = getpass.getpass(
            f"Passphrase of the stack {stack} (from `pulumi stack init`): "
        )


def _is_locked(stack: str) -> bool:
    path = stackfile.path_of(stack)
    return path.is_file() and any(line.startswith(SALT) for line in path.read_text().splitlines())
