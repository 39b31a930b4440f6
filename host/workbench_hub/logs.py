"""What the hub's log says of what people send: no secret, no line of their own, and not much of it."""

import logging
import re

from jupyterhub.log import CoroutineLogFormatter

# A token that somebody put into an address; the proxy asks the hub for an error's page with the address in the query.
_TOKEN = re.compile(r"(token(?:=|%3D))(?!\[secret\])[^&\s'\"%]+", re.IGNORECASE)
MESSAGE_LENGTH = 500  # of a request that was refused, with its address: the journal is of one size for all
LENGTH = 8000  # with a traceback; of 48 KiB journald would make two lines (LineMax= of journald.conf(5))


class NoTokens(logging.Filter):
    """Takes tokens out of addresses, in each line and in the tracebacks of errors."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: the line stays."""
        record.msg, record.args = _TOKEN.sub(r"\1[secret]", record.getMessage())[:MESSAGE_LENGTH], ()
        return True


class Plain(CoroutineLogFormatter):
    """The hub's own form, in which whatever somebody sent stays in the line that it is in.

    journald begins a new one at NUL as well, which would then be taken for the hub's own words: that a login from some
    address has failed, say. After a line's end the form has spaces.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)[:LENGTH]
        return "".join(letter if letter == "\n" or letter.isprintable() else "?" for letter in text)


SETTINGS = {  # for c.JupyterHub.logging_config, which traitlets merges into its own (PEP 391)
    "filters": {"no_tokens": {"()": NoTokens}},
    "formatters": {"console": {"class": f"{__name__}.Plain"}},
    "handlers": {"console": {"filters": ["no_tokens"]}},
}
