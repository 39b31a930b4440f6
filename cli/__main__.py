"""`python -m cli` is the `workbench` command."""

from cli import run

run()
