"""What all sections of the settings share."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from workbench import checks

SshKey = Annotated[str, AfterValidator(checks.ssh_key)]
Url = Annotated[str, AfterValidator(checks.web_address)]
Port = Annotated[int, Field(ge=1024, le=65535)]
Sha256 = Annotated[str, AfterValidator(checks.sha256)]


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
    strip_path: ClassVar[bool] = False  # whether the proxy takes `path` away from what it passes on
    # The request header that tells the service the `path` it is found under.
    path_header: ClassVar[str | None] = None
    # Whether its pages are users' own, which the browser is to keep apart from all others.
    sandboxed: ClassVar[bool] = False

    enabled: bool = Field(True, description="whether the service runs")

    @property
    def address(self) -> str:
        """The address on the host of a service that has `health`: it answers with success while all is well.

        Raises LookupError for a service without.
        """
        port = getattr(self, "port", None)
        if self.health is None or port is None:
            raise LookupError(f"{type(self).__name__} has no address of its own")
        return f"http://127.0.0.1:{port}{self.health}"

    @model_validator(mode="after")
    def _off_is_bare(self) -> "Service":
        """A setting that nothing reads is a mistake: somebody believes in it. Defaults are let pass."""
        fields = type(self).model_fields.items()
        changed = (
            [] if self.enabled else [name for name, field in fields if getattr(self, name) != field.default]
        )
        for name in changed:
            if name != "enabled":
                raise ValueError(
                    f".{to_camel(name)} is set, but the service is off, so nothing reads it; remove it or comment "
                    "it out, or set enabled: true beside it"
                )
        return self
