"""A mail by the SMTP server of the settings; what the server refuses becomes one sentence."""

import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from workbench_host.tools import FailureError, reason

TIMEOUT_SECONDS = 30
PERMANENT = 500  # replies from here on are for good (RFC 5321, 4.2.1)


def message(config: Mapping[str, Any], subject: str, body: str) -> EmailMessage:
    """The mail, marked as one that no out-of-office answers (RFC 3834, 5)."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = config["from"], ", ".join(config["to"]), subject
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain=config["from"].rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(body)
    return made


def send(config: Mapping[str, Any], password: str | None, subject: str, body: str) -> None:
    """Hands the mail to the server. Raises FailureError where it takes it for nobody, or for some only."""
    where = f"the mail server {config['server']}, port {config['port']},"
    try:
        with connect(config) as server:
            if config["user"]:
                server.login(config["user"], password or "")
            refused = server.send_message(message(config, subject, body), config["from"], config["to"])
    except smtplib.SMTPRecipientsRefused as error:
        lasting = all(code >= PERMANENT for code, _ in error.recipients.values())
        raise _kind(lasting)(f"{where} refused {_recipients(error.recipients)}") from None
    except smtplib.SMTPSenderRefused as error:
        raise FailureError(f"{where} refused the sender {error.sender}: {_said(error)}") from None
    except smtplib.SMTPAuthenticationError as error:
        raise FailureError(f"{where} refused the login of {config['user']}: {_said(error)}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise FailureError(f"{where} cannot do what alarms.mail asks of it: {error}") from None
    except smtplib.SMTPResponseException as error:
        raise _kind(error.smtp_code >= PERMANENT)(f"{where} refused: {_said(error)}") from None
    except ssl.SSLCertVerificationError as error:
        raise FailureError(
            f"{where} shows a certificate that is not trusted: {error.verify_message}"
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise FailureError(f"{where} could not be used: {_trouble(error)}") from None
    if refused:
        raise PartlyError(f"{where} refused {_recipients(refused)}, and took it for the others")


class RefusedError(FailureError):
    """The server takes it neither now nor later."""


class PartlyError(RefusedError):
    """Some have it and some do not: to send it again would be to send it to some twice."""


def _kind(lasting: bool) -> type[FailureError]:
    return RefusedError if lasting else FailureError


def connect(config: Mapping[str, Any]) -> smtplib.SMTP:
    """A connection as the settings want it: never in the clear where they say STARTTLS."""
    at: Any = {"host": config["server"], "port": config["port"], "timeout": TIMEOUT_SECONDS}
    if config["security"] == "tls":
        return smtplib.SMTP_SSL(**at, context=ssl.create_default_context())
    server = smtplib.SMTP(**at)
    if config["security"] == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _recipients(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{who}: {code} {_text(words)}" for who, (code, words) in refused.items())


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(words: bytes | str) -> str:
    """What a server says, in one line."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:300]


def _trouble(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"DNS does not know it ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS} s"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS there ({error.reason}); alarms.mail.security says how it is spoken to"
    return _text(reason(error))
