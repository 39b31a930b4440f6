"""What the hub's log does not say."""

import logging
import re

# A token that somebody put into an address; the proxy asks the hub for an error's page with the address in the query.
_TOKEN = re.compile(r"(token(?:=|%3D))(?!\[secret\])[^&\s'\"%]+", re.IGNORECASE)


class NoTokens(logging.Filter):
    """Takes tokens out of addresses, in each line and in the tracebacks of errors."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: the line stays."""
        record.msg, record.args = _TOKEN.sub(r"\1[secret]", record.getMessage()), ()
        return True


SETTINGS = {  # for c.JupyterHub.logging_config, which traitlets merges into its own (PEP 391)
    "filters": {"no_tokens": {"()": NoTokens}},
    "handlers": {"console": {"filters": ["no_tokens"]}},
}
