"""How a function of pulumi_aws that asks the cloud is described: a row that says which call answers it, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.cloud import Cloud, is_gone
from lab.provider.paths import search
from lab.provider.values import State
from workbench.errors import WorkbenchError

Invoke = Callable[[Cloud, State], State]


@dataclass(frozen=True)
class Question:
    """One function. What it is given (`tags`, `filters`, ...) is repeated in the answer. Expressions are JMESPath.

    call: the API's operation, and an expression for the things in its answer, a list: `ec2.describe_vpcs -> Vpcs`. All
        pages of the answer are asked for.
    answer: an expression for the function's results; over the one thing that is asked for, in which `ec2` is how ARNs
        of EC2 begin, or, without `one`, over the list of all.
    one: how the one thing is called, for the errors.
    none: what is said, where that is in other words, when there is none.
    takes: how an argument reaches the API: as its parameter (a list of one with []), or, in small letters, as a filter.
    tags: the argument with the tags that things must have.
    named: an expression for the name that `nameRegex` has to fit.
    defaults: what is asked for where the arguments do not say.
    """

    call: str
    answer: str
    one: str = ""
    none: str = ""
    takes: Mapping[str, str] = field(default_factory=dict)
    tags: str = "tags"
    named: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, cloud: Cloud, arguments: State) -> State:
        """The answer. Raises WorkbenchError where there is not exactly one of what there is to be one of."""
        found = self.found(cloud, arguments)
        subject = {**self.only(found, arguments), "ec2": cloud.ec2_arns} if self.one else found
        return {"id": cloud.region, **arguments, **search(self.answer, subject)}

    def found(self, cloud: Cloud, arguments: State) -> list[Any]:
        """All the things that the arguments fit, as the API describes them."""
        refuse_unknown(arguments, self._known())
        try:
            operation, _, where = self.call.partition(" -> ")
            answer = cloud.ask(operation, **self._request({**self.defaults, **arguments}))
        except ClientError as error:
            if not (self.one and is_gone(error)):
                raise
            return []
        things = search(where, answer) or []
        if "nameRegex" in arguments:
            wanted = re.compile(arguments["nameRegex"])
            things = [thing for thing in things if wanted.search(search(self.named, thing) or "")]
        return list(things)

    def _known(self) -> set[str]:
        filters = {self.tags, "filters"} if self.call.startswith("ec2.") else set()
        return {*self.takes, *filters, *(["nameRegex"] if self.named else [])}

    def _request(self, arguments: State) -> dict[str, Any]:
        tags = (arguments.get(self.tags) or {}).items()
        filters = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters", [])]
        filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags]
        request: dict[str, Any] = {}
        for ours, theirs in self.takes.items():
            value = arguments.get(ours)
            listed = value if isinstance(value, list) else [value]
            if value is not None and theirs.islower():
                filters.append({"Name": theirs, "Values": listed})
            elif value is not None:
                request[theirs.removesuffix("[]")] = listed if theirs.endswith("[]") else value
        return {**request, **({"Filters": filters} if filters else {})}

    def only(self, found: list[Any], arguments: State) -> Any:
        """The one thing. Raises WorkbenchError where there is none, or more than one."""
        if len(found) == 1:
            return found[0]
        none = self.none.format(**arguments) or f"no matching {self.one} found"
        many = f"multiple {self.one}s matched; use additional constraints to reduce to a single {self.one}"
        raise WorkbenchError(many if found else none)


def refuse_unknown(arguments: State, known: set[str]) -> None:
    """Raises WorkbenchError where an argument is none that the lab knows: what it says would be passed over."""
    unknown = arguments.keys() - known - {"region"}
    if unknown:
        raise WorkbenchError(
            f"{', '.join(sorted(unknown))} is no argument that the lab knows; it knows {', '.join(sorted(known))}"
        )
