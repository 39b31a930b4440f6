"""Accounts of services: a name that owns files and processes, with no home, no shell and no password.

People's accounts are deploy/users.py's. pyinfra's own operation reads all accounts of the host to look at one, with
some processes for each: half a second with a few people, many seconds with hundreds.
"""

from collections.abc import Generator
from shlex import quote

from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy.files import Described

# As Debian's policy for accounts of services, 9.2.3, has them.
HOME, SHELL = "/nonexistent", "/usr/sbin/nologin"


class Account(FactBase[list[str]]):
    """The fields of an account as passwd(5) has them; none where there is no such account."""

    def command(self, account: str) -> str:
        return f"getent passwd {quote(account)} || true"

    def process(self, output: list[str]) -> list[str]:
        return output[0].split(":")

    @staticmethod
    def default() -> list[str]:
        return []


@operation()
def service_account(account: str, uid: int | None = None) -> Generator[Described, None, None]:
    """Makes the account, and a group of the same name; takes its home and shell away where it has any.

    With a `uid` it gets just that one, where it is not a service's that the firewall trusts.
    """
    fields = host.get_fact(Account, account=account)
    if not fields:
        number = f"--uid {uid} " if uid else ""
        yield Described(
            f"useradd --system {number}--user-group --no-create-home --home-dir {HOME} --shell {SHELL} "
            f"{quote(account)}",
            f"make the account {account}",
        )
    elif fields[5:7] != [HOME, SHELL]:
        yield Described(
            f"usermod --home {HOME} --shell {SHELL} {quote(account)}", f"make {account} a service's account"
        )
    else:
        host.noop(f"{account} is a service's account")
