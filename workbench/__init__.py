"""What both sides of the workbench share, and the command."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # where Pulumi.yaml stands
