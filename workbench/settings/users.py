"""The people who have an account."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from workbench import checks
from workbench.settings.section import Section, SshKey


class User(Section):
    """A person with an account: the same name and password everywhere on the workbench."""

    name: Annotated[str, AfterValidator(checks.user_name)] = Field(description="login name")
    admin: bool = Field(False, description="may use sudo and administer the hub")
    ssh_keys: list[SshKey] = Field([], description="public keys for SSH")
    password_hash: SecretStr | None = Field(
        None, description="from `workbench password`; without it the user cannot log in with a password"
    )
    uid: Annotated[int, Field(ge=1001, le=59999)] | None = Field(
        None, description="numeric id; unset, the next free one from 2000 on, remembered on the data volume"
    )

    @model_validator(mode="after")
    def _hash_is_a_hash(self) -> "User":
        if self.password_hash is not None:
            try:
                checks.password_hash(self.password_hash.get_secret_value())
            except ValueError as error:
                raise ValueError(f".passwordHash {error}") from None
        return self
