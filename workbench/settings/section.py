"""What all sections of the settings share."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workbench import checks

SshKey = Annotated[str, AfterValidator(checks.ssh_key)]
Url = Annotated[str, AfterValidator(checks.web_address)]
Port = Annotated[int, Field(ge=1024, le=65535)]


class Section(BaseModel):
    """Base of all settings: frozen, camelCase in the stack file, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_default=True
    )


class Service(Section):
    """Base of a service's section. `memory_mib` is what the service needs before anybody has logged in."""

    memory_mib: ClassVar[int] = 0
    title: ClassVar[str] = ""
    path: ClassVar[str | None] = None  # below the site's root; None for what has no page of its own
    units: ClassVar[tuple[str, ...]] = ()  # systemd units that have to be active while it is enabled
    health: ClassVar[str | None] = None  # path on its `port` that answers with success while it is well

    enabled: bool = Field(True, description="whether the service runs")
