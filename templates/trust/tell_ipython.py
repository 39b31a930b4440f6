# From the workbench's deploy: shows `notice` with the first thing that somebody runs, where a notebook shows it too.
import inspect
import pdb
import sys

from IPython import get_ipython

_shell = get_ipython()


def _tell(*_):
    _shell.events.unregister("pre_run_cell", _tell)
    print(notice, file=sys.stderr)  # noqa: F821 - given by ipython_config.py


_shell.events.register("pre_run_cell", _tell)
# The debugger would run the commands in a .pdbrc of the working directory.
_names = list(inspect.signature(pdb.Pdb.__init__).parameters)[-len(pdb.Pdb.__init__.__defaults__) :]
pdb.Pdb.__init__.__defaults__ = tuple(
    False if name == "readrc" else value
    for name, value in zip(_names, pdb.Pdb.__init__.__defaults__, strict=True)
)
