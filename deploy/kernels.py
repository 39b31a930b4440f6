"""Jupyter's kernels for everybody, and what the programs share that add one for each further version of a language."""

from pyinfra.api.deploy import deploy

from deploy import programs

FOLDER = "/usr/local/share/jupyter/kernels"


@deploy("kernels")
def kernels() -> None:
    """The module that python-versions and r-versions import."""
    programs.install("kernels/kernels.py.j2", "kernels.py")
