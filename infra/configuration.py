"""The last step of `pulumi up`: the host is configured by the deploy, as one resource.

The provider's code is pickled and run by another process, so it is thin: it hands over to connector.configure.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


@dataclass(frozen=True)
class ConfigurationArgs:
    """`context` is what workbench.stack.read takes, secret; `digest` that of the deploy's code."""

    context: pulumi.Input[str]
    digest: str
    instance_id: pulumi.Input[str]


class _Deploy(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        from connector import configure
        from workbench import lifeline

        lifeline.hold_to_engine()
        configure.from_context(props["context"])
        return CreateResult(props["instanceId"], configure.remembered(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        from connector import configure
        from workbench import lifeline

        lifeline.hold_to_engine()
        configure.from_context(_news["context"])
        return UpdateResult(configure.remembered(_news))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        from connector import configure

        now = configure.remembered(_news)
        return DiffResult(changes=any(value != _olds.get(key) for key, value in now.items()))


class Configuration(Resource, name="Configuration"):
    """The configured host. A deploy that fails raises, so that the next `up` runs it again."""

    def __init__(
        self, name: str, args: ConfigurationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        from connector import configure

        # The plugin of dynamic resources cannot say of an output that it is secret; the engine can be told.
        opts = copy(opts or pulumi.ResourceOptions())
        opts.additional_secret_outputs = [configure.CONTEXT_DIGEST]
        inputs = {"context": args.context, "digest": args.digest, "instanceId": args.instance_id}
        super().__init__(_Deploy(), name, inputs, opts)
