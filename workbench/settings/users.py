"""The people who have an account, and what each of them may take of the server."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from workbench import checks
from workbench.faults import Fault
from workbench.settings.section import Section, SshKey, twice
from workbench.settings.services import Services


def _password_hash(value: SecretStr) -> SecretStr:
    checks.password_hash(value.get_secret_value())
    return value


def _left_by_services(name: str) -> str:
    """A name that no service takes."""
    if service := Services.reserved_names().get(name):
        raise ValueError(f"is reserved for the service {service}; choose another name")
    return name


UserName = Annotated[str, AfterValidator(checks.user_name), AfterValidator(_left_by_services)]
GroupName = Annotated[str, AfterValidator(checks.group_name), AfterValidator(_left_by_services)]


class User(Section):
    """A person with an account: the same name and password everywhere on the workbench."""

    name: UserName = Field(description="login name")
    admin: bool = Field(False, description="may use sudo, and see and stop servers on the hub's page")
    groups: list[GroupName] = Field(
        [],
        description="groups, made where there are none; each has a folder in ~/shared for its members; the deploy that "
        "takes a user out of one ends all that the user runs",
    )
    ssh_keys: list[SshKey] = Field([], description="public keys for SSH, as in adminSshKeys")
    password_hash: Annotated[SecretStr, AfterValidator(_password_hash)] | None = Field(
        None, description="from `workbench password`; without it the user cannot log in with a password"
    )
    change_password: bool = Field(
        False, description="the first login asks for a password of the user's own in place of `passwordHash`"
    )
    removed: bool = Field(
        False, description="ends all sessions, locks the account, and moves the home into an archive"
    )
    email: Annotated[str, AfterValidator(checks.email)] | None = Field(
        None, description="address to which failures of the user's own schedules are mailed (by alarms.mail)"
    )
    uid: Annotated[int, Field(ge=1001, le=59999)] | None = Field(
        None, description="numeric id; unset, the next free one from 2000 on, remembered on the data volume"
    )

    formerly: Annotated[str, AfterValidator(checks.user_name)] | None = Field(
        None,
        description="name that this user had until now: uid, home, password and what is in the home stay, and so does "
        "what the hub knows. It may stay here; once done, it does nothing. Nobody else gets the name of before",
    )

    def faults(self) -> Iterator[Fault]:
        """The rules of one user."""
        if self.formerly == self.name:
            yield Fault(("formerly",), f"is {self.name}, which is the name still; takes the one before")
        if self.change_password and self.password_hash is None:
            yield Fault(
                ("changePassword",),
                "is true, but there is no passwordHash for the first login; `workbench password` makes one",
            )
        yield from twice(("groups",), self.groups)


class Limits(Section):
    """What one user may take, all notebooks, R sessions and logins together."""

    memory_percent: Annotated[int, Field(ge=5, le=100)] = Field(
        50, description="share of the server's memory, in percent; what goes beyond it is ended"
    )
    cpus: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="processors; unset, all of them, shared evenly between those who compute"
    )
    tasks: Annotated[int, Field(ge=512, le=1048576)] = Field(
        4096, description="processes and threads at the same time"
    )
    disk_gib: Annotated[int, Field(ge=1, le=16384)] | None = Field(
        None,
        description="disk on the data volume, in GiB, and the same share of its inodes (one file, folder or link "
        "takes one); unset, no limit",
    )
    timers: bool = Field(
        False,
        description="whether users' own timers, `workbench-schedule` among them, run also while their users are logged "
        "out; with services.docker units and timers of theirs do so in each case, and schedules do not run",
    )
