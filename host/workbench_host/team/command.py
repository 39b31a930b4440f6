"""workbench-env [NAME [COMMAND...]]: runs a command, or a shell, in one of the team's environments.

Without a name, it lists them. The environment is the one that is in use at the start, also once another takes its
place. `python`, `R` and what packages bring are the environment's; what else is on the PATH stays there.
"""

import os
import sys
from collections.abc import Sequence

from workbench_host.team import places


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        for name in sorted(places.names()):
            folder = places.folder_of(name)
            told = places.marker(folder) if folder else None
            if told:
                print(f"{name} ({told.language} {told.version}, {told.packages} packages)")
        return 0
    name, *command = arguments
    if name.startswith("-"):
        print("usage: workbench-env [NAME [COMMAND...]]", file=sys.stderr)
        return 2
    folder = (
        places.folder_of(name) if places.OF_ONE.fullmatch(f"{name}-{'0' * 12}") and "/" not in name else None
    )
    told = places.marker(folder) if folder else None
    if folder is None or told is None:
        others = ", ".join(sorted(places.names())) or "none"
        print(f"There is no environment called {name} here; there are {others}.", file=sys.stderr)
        return 1
    environment = dict(os.environ)
    environment |= places.surroundings(name, folder, told, environment.get("PATH", os.defpath))
    environment.pop("PYTHONHOME", None)
    command = command or [environment.get("SHELL") or "/bin/bash"]
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"{command[0]} cannot be run in {name}: {error.strerror}.", file=sys.stderr)
        return 127
