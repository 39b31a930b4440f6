"""Whom the host tells when something is wrong with it, and how: by mail, by a webhook, or both."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from workbench import checks
from workbench.faults import Fault
from workbench.settings.section import Section, twice

# Submission with STARTTLS and with TLS from the first byte (RFC 8314, 3.3), and plain SMTP between servers.
PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _hidden(value: SecretStr) -> SecretStr:
    checks.one_line(value.get_secret_value())
    return value


def _webhook(value: SecretStr) -> SecretStr:
    checks.webhook(value.get_secret_value())
    return value


class Mail(Section):
    """An SMTP server that takes mail for `to`."""

    server: Annotated[str, AfterValidator(checks.server_name)] = Field(
        description="the SMTP server, such as smtp.example.org"
    )
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="how the connection is encrypted: by STARTTLS, from the first byte on, or not at all, as to a "
        "server beside the workbench",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="port of the server; unset, 587 for starttls, 465 for tls, 25 for none"
    )
    user: Annotated[str, AfterValidator(checks.one_line)] | None = Field(
        None, description="who logs in to the server; unset, nobody does"
    )
    password: Annotated[SecretStr, AfterValidator(_hidden)] | None = Field(
        None,
        description="password of `user`; `pulumi config set --secret --path` encrypts it",
    )
    sender: Annotated[str, AfterValidator(checks.email)] = Field(
        alias="from", description="address that the mail is from"
    )
    to: Annotated[list[Annotated[str, AfterValidator(checks.email)]], Field(min_length=1)] = Field(
        description="addresses that the mail goes to"
    )

    @property
    def port_in_use(self) -> int:
        """The port to connect to."""
        return self.port or PORTS[self.security]

    def faults(self) -> Iterator[Fault]:
        """A login is whole, and is not sent in the clear."""
        yield from twice(("to",), self.to)
        if self.user is not None and self.password is None:
            yield Fault(("password",), "is missing, but there is a user to log in; set both, or neither")
        if self.password is not None and self.user is None:
            yield Fault(("user",), "is missing, but there is a password; set both, or neither")
        if self.password is not None and self.security == "none":
            yield Fault(
                ("security",),
                "is none, so that the password would be sent in the clear; takes starttls or tls with a password",
            )


class Alarms(Section):
    """Who is told when a certificate is not renewed, a snapshot not made, a disk nearly full or missing."""

    mail: Mail | None = Field(None, description="mail, by an SMTP server")
    webhook: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        None,
        description='address (https) that takes {"text": ...}, as those of Slack and Mattermost do; who has it can '
        "write there, so `pulumi config set --secret --path` encrypts it",
    )

    @property
    def ways(self) -> list[str]:
        """By what somebody is told: none, mail, webhook or both."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]
