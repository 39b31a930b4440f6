"""Pictures of kernels, as JupyterLab's launcher shows them, from the packages that ship them.

They are copied: Jupyter's server gives out no file that a link leads out of its folder to (tornado since 6.5.9).
Kernels that the host's own programs make have theirs from there (workbench_host/kernels.py).
"""

from collections.abc import Generator, Mapping
from shlex import quote

from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy.facts import Lines
from deploy.files import Described


class Missing(Lines):
    """Which of the pictures differ from what their package has, of those whose kernel and package are there."""

    def command(self, logos: Mapping[str, str]) -> str:
        pairs = " ".join(f"{quote(to)} {quote(source)}" for to, source in logos.items())
        return (
            f'set -- {pairs}; while [ $# -gt 0 ]; do if [ -e "$(dirname "$1")/kernel.json" ] && [ -e "$2" ] && '
            f'! cmp -s "$2" "$1"; then echo "$1"; fi; shift 2; done'
        )


@operation()
def copied(logos: Mapping[str, str]) -> Generator[Described, None, None]:
    """Copies pictures, by where they are to be: each where it differs from what its package has."""
    missing = host.get_fact(Missing, logos=dict(logos))
    if not missing:
        host.noop("the kernels have their pictures")
    for to in missing:
        yield Described(f"install -m 644 {quote(logos[to])} {quote(to)}", f"copy {to}")
