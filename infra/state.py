"""What the stack's state knows, asked of the engine that runs the program: neither the CLI nor a secret is needed.

A resource of the state is known by its type and its name, which the program chooses; pending operations are not in
it, so that what is missing here may still be in AWS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from workbench import leftovers


@dataclass(frozen=True)
class State:
    """The outputs of every resource, by type (`aws:ec2/vpc:Vpc`) and name."""

    resources: Mapping[tuple[str, str], Mapping[str, Any]]
    stack_id: str | None

    def knows(self, kind: str, name: str) -> bool:
        """Whether it has that resource."""
        return (kind, name) in self.resources

    def value(self, kind: str, name: str, output: str) -> Any:
        """An output of a resource, None where it has none."""
        return self.resources.get((kind, name), {}).get(output)

    def values(self, output: str) -> Iterator[tuple[str, Any]]:
        """The type of each resource that has this output, and what it is."""
        return ((kind, outputs[output]) for (kind, _), outputs in self.resources.items() if output in outputs)


def read() -> State:
    """The state as it was when the run began. Raises Exception where the backend does not give it."""
    organization, stack = pulumi.get_organization(), pulumi.get_stack()
    # a file backend calls its only organization so, and needs no more than the stack's own name
    full = stack if organization == "organization" else f"{organization}/{pulumi.get_project()}/{stack}"
    # the function behind `pulumi.StackReference`, which gives the outputs of the whole stack only
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": full}).value
    found = answer["outputs"] or {}
    return State(
        {_type_and_name(urn): resource["outputs"] for urn, resource in found.items()},
        leftovers.stack_id_of(found.values()),
    )


def _type_and_name(urn: str) -> tuple[str, str]:
    """Those at the end of `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
    _, _, kind, name = urn.split("::", 3)
    return kind.rpartition("$")[2], name
