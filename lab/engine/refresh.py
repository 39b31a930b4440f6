"""Refresh: what providers find is what the state says."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from lab.engine import values
from lab.engine.answers import Diff
from lab.engine.deployment import Deployment, StoppedError
from lab.engine.ops import Op
from lab.engine.provider import ProviderError
from lab.engine.state import Resource

_PARALLEL_READS = 8


def refresh_all(deployment: Deployment) -> None:
    """Read every resource; the state is changed at the end, when all that was to be read was."""
    resources = deployment.snapshot.everything()

    def one(resource: Resource) -> Resource | None:
        with suppress(StoppedError), deployment.working(resource.urn):
            return _read(deployment, resource)
        return resource

    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        found = list(pool.map(one, resources))
    gone = {old.urn for old, new in zip(resources, found, strict=True) if new is None}
    deployment.snapshot.replace_all([_without(item, gone) for item in found if item is not None])


def _read(deployment: Deployment, resource: Resource) -> Resource | None:
    """The resource as it is now, None where it is gone."""
    report, preview = deployment.report, deployment.preview
    if resource.is_provider:
        return resource
    report.started(Op.REFRESH, resource, None)
    if not resource.custom:
        report.done(Op.SAME, resource, resource, None, None if preview else 0.0)
        return resource
    provider = deployment.registry.get(resource.provider)
    try:
        found = provider.read(resource, resource.outputs, resource.inputs)
        if not found.id:
            report.done(Op.DELETE, resource, resource, None, None if preview else 0.0)
            return None
        inputs = resource.inputs if found.inputs is None else found.inputs
        now = replace(
            resource,
            id=found.id,
            inputs=values.annotate_secrets(inputs, resource.inputs),
            outputs=values.mark_secret(
                values.annotate_secrets(found.outputs, {**resource.outputs, **resource.inputs}),
                resource.additional_secret_outputs,
            ),
            init_errors=[],
        )
        # Would what the program last asked for now be a change? (The inputs it gave, against what is there.)
        diff = provider.diff(now, resource)
    except ProviderError as error:
        report.failed(Op.REFRESH, resource, str(error))
        raise
    keys = values.changed_keys(now.inputs, resource.inputs)
    changed = bool(keys) if diff.changes is None else diff.changes
    named = {key: keys.get(key, "~") for key in diff.keys} or keys
    op = Op.UPDATE if changed else Op.SAME
    report.done(op, now, resource, Diff(changes=changed, keys=named), None if preview else 0.0)
    return now


def _without(resource: Resource, gone: set[str]) -> Resource:
    """The resource without the dependencies that are no longer there."""
    return replace(
        resource,
        dependencies=[urn for urn in resource.dependencies if urn not in gone],
        property_dependencies={
            key: [urn for urn in urns if urn not in gone]
            for key, urns in resource.property_dependencies.items()
        },
    )
