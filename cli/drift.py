"""What was installed by hand on a server, in sentences that name the setting which would keep it."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cli.common import plain

_ON_HOST = "workbench ssh -- "
_FEW = 8  # names that are listed


def told(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(sentence, command) for each kind of what host/workbench_host/checkup/drift.py found."""
    if debian := report["debian"]:
        names = [plain(one["name"]) for one in debian]
        by = ", ".join(sorted({plain(one["by"]) for one in debian}))
        yield (
            f"{_some(names)}: installed by hand with apt (by {by}), so that the next server will not have it. "
            f"workbench:services.base.packages: [{_some(names)}] keeps it; else remove it.",
            f"{_ON_HOST}{shlex.quote('sudo apt-get remove ' + ' '.join(names))}",
        )
    if python := [plain(name) for name in report["python"]]:
        yield (
            f"{_some(python)}: Python packages put into /usr/local by hand, which Debian's own programs meet as well. "
            "An environment of workbench:environments (python, requirements) keeps them for everybody.",
            f"{_ON_HOST}{shlex.quote('ls -ld /usr/local/lib/python3*/dist-packages/*')}",
        )
    if r := [plain(name) for name in report["r"]]:
        yield (
            f"{_some(r)}: R packages put into /usr/local by hand, so that the next server will not have them. An "
            f"environment of workbench:environments (r, packages: [{_some(r)}]) keeps them for everybody.",
            f"{_ON_HOST}{shlex.quote('ls -l /usr/local/lib/R/site-library')}",
        )
    if programs := [plain(path) for path in report["programs"]]:
        yield (
            f"{_some(programs)}: put there by hand, so that the next server will not have it. No setting keeps files "
            "of your own: a Debian package (workbench:services.base.packages) or a shared folder does.",
            f"{_ON_HOST}{shlex.quote('ls -l ' + ' '.join(programs[:_FEW]))}",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{', '.join(names[:_FEW])}{more}"
