"""The people who have an account, and what each of them may take of the server."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from workbench import checks
from workbench.settings.section import Section, SshKey


class User(Section):
    """A person with an account: the same name and password everywhere on the workbench."""

    name: Annotated[str, AfterValidator(checks.user_name)] = Field(description="login name")
    admin: bool = Field(False, description="may use sudo and administer the hub")
    groups: list[Annotated[str, AfterValidator(checks.group_name)]] = Field(
        [], description="groups, made where there are none; each has a folder in ~/shared for its members"
    )
    ssh_keys: list[SshKey] = Field([], description="public keys for SSH")
    password_hash: SecretStr | None = Field(
        None, description="from `workbench password`; without it the user cannot log in with a password"
    )
    change_password: bool = Field(
        False, description="the first login asks for a password of the user's own in place of `passwordHash`"
    )
    removed: bool = Field(
        False, description="ends all sessions, locks the account, and moves the home into an archive"
    )
    uid: Annotated[int, Field(ge=1001, le=59999)] | None = Field(
        None, description="numeric id; unset, the next free one from 2000 on, remembered on the data volume"
    )

    @model_validator(mode="after")
    def _whole(self) -> "User":
        if self.password_hash is not None:
            try:
                checks.password_hash(self.password_hash.get_secret_value())
            except ValueError as error:
                raise ValueError(f".passwordHash {error}") from None
        elif self.change_password:
            raise ValueError(
                ".changePassword is true, but there is no passwordHash for the first login; "
                "`workbench password` makes one"
            )
        try:
            checks.distinct(self.groups, "group")
        except ValueError as error:
            raise ValueError(f".groups {error}") from None
        return self


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
        None, description="disk on the data volume, in GiB; unset, no limit"
    )
