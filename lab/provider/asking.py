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
    """One function. What it is given as it is (`tags`, `filters`, ...) is repeated in the answer.

    call: the API's operation, as `service.operation`; all pages of its answer are asked for.
    things: where in that the things are (JMESPath).
    answer: the function's results and where they are: in the one thing that is asked for, or, without `one`, in the
        list of all. What begins with "arn:" is an ARN to be filled with region, account and other results.
    one: how the one thing is called, for the errors.
    none, many: what is said, where that is in other words, when there is none or more than one.
    takes: how an argument reaches the API: as its parameter (a list of one with []), or, in small letters, as a filter.
    tags: the argument with the tags that things must have.
    named: where the name is that `nameRegex` has to fit.
    newest: where the time is by which `mostRecent` chooses.
    defaults: what is asked for where the arguments do not say.
    """

    call: str
    things: str
    answer: Mapping[str, str]
    one: str = ""
    none: str = ""
    many: str = ""
    takes: Mapping[str, str] = field(default_factory=dict)
    tags: str = "tags"
    named: str = ""
    newest: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, cloud: Cloud, arguments: State) -> State:
        """The answer. Raises WorkbenchError where there is not exactly one of what there is to be one of."""
        found = self.found(cloud, arguments)
        subject: Any = self.only(found, arguments) if self.one else found
        answer = {"id": cloud.region, **arguments}
        for name, path in self.answer.items():
            is_arn = path.startswith("arn:")
            answer[name] = cloud.arn(path, answer) if is_arn else search(path, subject)
        return answer

    def found(self, cloud: Cloud, arguments: State) -> list[Any]:
        """All the things that the arguments fit, as the API describes them."""
        refuse_unknown(arguments, self._known())
        try:
            things = (
                search(self.things, cloud.ask(self.call, **self._request({**self.defaults, **arguments})))
                or []
            )
        except ClientError as error:
            if not (self.one and is_gone(error)):
                raise
            return []
        if "nameRegex" in arguments:
            wanted = re.compile(arguments["nameRegex"])
            things = [thing for thing in things if wanted.search(search(self.named, thing) or "")]
        return list(things)

    def _known(self) -> set[str]:
        filters = {self.tags, "filters"} if self.call.startswith("ec2.") else set()
        optional = {"nameRegex": self.named, "mostRecent": self.newest}
        return {*self.takes, *filters, *(name for name, where in optional.items() if where)}

    def _request(self, arguments: State) -> dict[str, Any]:
        request: dict[str, Any] = {}
        filters = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters", [])]
        filters += [
            {"Name": f"tag:{key}", "Values": [value]}
            for key, value in (arguments.get(self.tags) or {}).items()
        ]
        for ours, theirs in self.takes.items():
            if ours not in arguments:
                continue
            value, many = arguments[ours], theirs.endswith("[]")
            if theirs.islower():
                filters.append({"Name": theirs, "Values": value if isinstance(value, list) else [value]})
            else:
                request[theirs.removesuffix("[]")] = (
                    [value] if many and not isinstance(value, list) else value
                )
        return {**request, **({"Filters": filters} if filters else {})}

    def only(self, found: list[Any], arguments: State) -> Any:
        """The one thing. Raises WorkbenchError where there is none, or more than one."""
        if arguments.get("mostRecent") and found:
            return max(found, key=lambda thing: search(self.newest, thing))
        if len(found) == 1:
            return found[0]
        none = self.none.format(**arguments) or f"no matching {self.one} found"
        many = f"multiple {self.one}s matched; use additional constraints to reduce to a single {self.one}"
        raise WorkbenchError((self.many or many) if found else none)


def refuse_unknown(arguments: State, known: set[str]) -> None:
    """Raises WorkbenchError where an argument is none that the lab knows: what it says would be passed over."""
    unknown = arguments.keys() - known - {"region"}
    if unknown:
        raise WorkbenchError(
            f"{', '.join(sorted(unknown))} is no argument that the lab knows; it knows {', '.join(sorted(known))}"
        )
