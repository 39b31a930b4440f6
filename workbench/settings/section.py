"""What all sections of the settings share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from workbench import checks, sshkeys
from workbench.faults import Fault, KeyPath

RULE = "rule"  # the type of pydantic's error where a rule over several keys is broken; its message is the complaint

SshKey = Annotated[str, AfterValidator(sshkeys.line)]
Url = Annotated[str, AfterValidator(checks.web_address)]
RESERVED_PORTS = range(1, 1024)  # root alone listens there, so that nobody can in a service's place
ReservedPort = Annotated[int, Field(ge=RESERVED_PORTS.start, le=RESERVED_PORTS.stop - 1)]
Sha256 = Annotated[str, AfterValidator(checks.sha256)]


@dataclass(frozen=True)
class SignIn:
    """Where a service takes passwords: paths below its own, and the socket of what gives turns there.

    Without a socket the service gives turns itself, to what is posted.
    """

    paths: tuple[str, ...]
    socket: str | None = None


class Section(BaseModel):
    """Base of all settings: frozen, camelCase in the stack file, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_default=True
    )

    def faults(self) -> Iterator[Fault]:
        """What is wrong between several keys of this section; the paths begin in it."""
        yield from ()

    @model_validator(mode="after")
    def _judged(self) -> Self:
        details = [
            InitErrorDetails(
                type=PydanticCustomError(RULE, "{complaint}", {"complaint": fault.complaint}),
                loc=fault.path,
                input=None,
            )
            for fault in self.faults()
        ]
        if details:
            raise ValidationError.from_exception_data(type(self).__name__, details)
        return self


@dataclass(frozen=True)
class Passage:
    """What programs of users on the host may ask of a service, by a socket that is open to all of them."""

    socket: str
    to: str  # the service's own socket
    path: str  # this one, and what is below it


@dataclass(frozen=True)
class Judge:
    """Who says of some of a service's requests whether they may pass: Caddy asks it (forward_auth)."""

    socket: str
    of: str  # a regular expression of the addresses, without the service's path, that it is asked about


class Service(Section):
    """Base of a service's section. `memory_mib` is what the service needs before anybody has logged in."""

    memory_mib: ClassVar[int] = 0
    title: ClassVar[str] = ""
    path: ClassVar[str | None] = None  # below the site's root; None for what has no page of its own
    units: ClassVar[tuple[str, ...]] = ()  # systemd units that have to be active while it is enabled
    health: ClassVar[str | None] = None  # path that answers with success while it is well
    socket: ClassVar[str | None] = (
        None  # where it listens, for the proxy's group alone; else on its `port` of loopback
    )
    passage: ClassVar[Passage | None] = None
    judge: ClassVar[Judge | None] = None
    strip_path: ClassVar[bool] = False  # whether the proxy takes `path` away from what it passes on
    # The request header that tells the service the `path` it is found under.
    path_header: ClassVar[str | None] = None
    sign_in: ClassVar[SignIn | None] = None
    # Whether what is below `path`, as USER/APP/, are apps of users' own (deploy/apps.py); the page at it is ours.
    apps: ClassVar[bool] = False
    # A template (of templates/) with what else the proxy does below `path`.
    rules: ClassVar[str | None] = None
    # What no user and no group may be called: accounts that it runs as, groups, folders among the shared ones.
    reserved_names: ClassVar[tuple[str, ...]] = ()

    enabled: bool = Field(True, description="whether the service runs")

    @property
    def address(self) -> str:
        """The address on the host of a service that has `health`: it answers with success while all is well.

        That of a service with a `socket` is asked there. Raises LookupError for a service without `health`.
        """
        if self.health is None:
            raise LookupError(f"{type(self).__name__} has no address of its own")
        return f"http://{self._place}{self.health}"

    @property
    def upstream(self) -> str:
        """Where the proxy finds it, as Caddy writes it."""
        return f"unix/{self.socket}" if self.socket else self._place

    @property
    def _place(self) -> str:
        port = getattr(self, "port", None)
        if self.socket is None and port is None:
            raise LookupError(f"{type(self).__name__} listens nowhere")
        return "localhost" if self.socket else f"127.0.0.1:{port}"

    def faults(self) -> Iterator[Fault]:
        """A setting that nothing reads is a mistake: somebody believes in it. Defaults are let pass."""
        if self.enabled:
            return
        for name, field in type(self).model_fields.items():
            if name != "enabled" and getattr(self, name) != field.default:
                yield Fault(
                    (to_camel(name),),
                    "is set, but the service is off, so nothing reads it; remove it or comment it out, or set "
                    "enabled: true beside it",
                )


def twice(path: KeyPath, values: Sequence[object], *inner: str) -> Iterator[Fault]:
    """The values of the list at `path` that stand there already; `inner` is the key of theirs in each entry."""
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            yield Fault((*path, index, *inner), f"is {value} a second time; once is enough")


def unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type inside Annotated, optional and list, and whether it was a list."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return unwrapped(arguments[0])
    if origin in (Union, UnionType):
        return unwrapped(next(argument for argument in arguments if argument is not type(None)))
    if origin is list:
        return unwrapped(arguments[0])[0], True
    return annotation, False
