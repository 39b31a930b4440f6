"""Kinds of facts that several parts of the deploy ask for."""

from pyinfra.api.facts import FactBase


class Lines(FactBase[list[str]]):
    """The lines that a command prints; none where it cannot be asked."""

    def process(self, output: list[str]) -> list[str]:
        return output

    @staticmethod
    def default() -> list[str]:
        return []
