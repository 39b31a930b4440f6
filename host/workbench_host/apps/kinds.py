"""The kinds of apps: a command, and the unix socket that it is to listen on. All else is the same for every kind."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# The socket is the first argument. `mask` is httpuv's way to say the umask of a socket's file; what an error says is in
# the log and not on the page, where everybody reads it.
_SHINY = (
    "options(shiny.sanitize.errors = TRUE); "
    'shiny::runApp(".", port = structure(commandArgs(TRUE)[1], mask = strtoi("0177", 8)), launch.browser = FALSE)'
)


@dataclass(frozen=True)
class Kind:
    """Its apps are the folders in `folder` of a home in which one of `files` (in lower case) is, whatever its case.

    `command` gives the command that serves the working directory on the socket of this path.
    """

    folder: str
    files: frozenset[str]
    command: Callable[[str], Sequence[str]]

    def has(self, home: str, name: str) -> bool:
        """Whether the user has an app of this name."""
        try:
            return not self.files.isdisjoint(entry.lower() for entry in os.listdir(self.path(home, name)))
        except (OSError, ValueError):
            return False

    def path(self, home: str, name: str) -> str:
        """The app's folder."""
        return f"{home}/{self.folder}/{name}"


# By the first part of an app's address, which is the name of its service in the settings.
KINDS = {
    "shiny": Kind(
        "ShinyApps", frozenset({"app.r", "server.r"}), lambda socket: ["Rscript", "-e", _SHINY, socket]
    ),
}
