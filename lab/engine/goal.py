"""What the program asks for when it registers a resource."""

import re
from dataclasses import dataclass, field

from pulumi.runtime.proto import resource_pb2

from lab.engine.answers import from_struct
from lab.engine.state import ROOT_STACK_TYPE, Resource
from lab.engine.values import Props
from workbench.errors import WorkbenchError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Goal:
    """A registration. Timeouts in seconds, 0 where the provider's own holds."""

    urn: str
    type: str
    custom: bool
    inputs: Props
    parent: str = ""
    provider: str = ""
    version: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    import_id: str = ""
    aliases: list[str] = field(default_factory=list)
    timeouts: dict[str, float] = field(default_factory=dict)

    def resource(self) -> Resource:
        """The resource as asked for, before its provider has seen it."""
        return Resource(
            urn=self.urn,
            type=self.type,
            custom=self.custom,
            parent=self.parent,
            provider=self.provider,
            inputs=self.inputs,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            protect=self.protect,
            retain_on_delete=self.retain_on_delete,
            additional_secret_outputs=self.additional_secret_outputs,
            ignore_changes=self.ignore_changes,
            delete_timeout=self.timeouts.get("delete", 0.0),
        )


def urn_of(prefix: str, parent: str, type_: str, name: str) -> str:
    """`prefix` is `urn:pulumi:STACK::PROJECT::`. The type is qualified by its parents', the root stack apart."""
    if parent:
        qualified = parent.split("::", 3)[2]
        if qualified != ROOT_STACK_TYPE:
            type_ = f"{qualified}${type_}"
    return f"{prefix}{type_}::{name}"


def goal_of(request: resource_pb2.RegisterResourceRequest, prefix: str, parent: Goal | None) -> Goal:
    """The goal in a request; raises WorkbenchError for what the stand-in cannot do.

    Left open, protect and retainOnDelete are those of the parent (resource_monitor.go of the real engine).
    """
    urn = urn_of(prefix, request.parent, request.type, request.name)
    _refuse_unsupported(request, urn)
    timeouts = {
        name: seconds(getattr(request.customTimeouts, name), urn)
        for name in ("create", "update", "delete")
        if getattr(request.customTimeouts, name)
    }
    return Goal(
        urn=urn,
        type=request.type,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        protect=request.protect if request.HasField("protect") or not parent else parent.protect,
        retain_on_delete=(
            request.retainOnDelete
            if request.HasField("retainOnDelete") or not parent
            else parent.retain_on_delete
        ),
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        # The SDK gathers these in sets: sorted, two runs of one program leave one state.
        dependencies=sorted(request.dependencies),
        property_dependencies={
            key: sorted(deps.urns) for key, deps in request.propertyDependencies.items() if deps.urns
        },
        import_id=request.importId,
        aliases=list(request.aliasURNs),
        timeouts=timeouts,
    )


def _refuse_unsupported(request: resource_pb2.RegisterResourceRequest, urn: str) -> None:
    unsupported = {
        "remote components": request.remote,
        "deletedWith": request.deletedWith,
        "replaceWith": request.replace_with,
        "transforms": request.transforms,
        "parameterized packages": request.packageRef,
    }
    for name, used in unsupported.items():
        if used:
            raise WorkbenchError(
                f"{urn} uses {name}, which the lab's stand-in does not know: use the Pulumi CLI"
            )


def seconds(duration: str, urn: str) -> float:
    """A Go duration (`10m`, `1h30m`) in seconds."""
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise WorkbenchError(f"{urn} has the timeout {duration!r}: write it as 90s, 10m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
