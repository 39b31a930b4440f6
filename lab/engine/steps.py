"""Carrying out what was planned, one resource at a time, the state saved before and after each change.

Several threads do so at once. In a preview providers rehearse what they can, and nothing is kept.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

from lab.engine import values
from lab.engine.answers import Diff, Made
from lab.engine.ops import Op
from lab.engine.planner import Plan, check_failure, refuse_protected, without_ignored
from lab.engine.provider import Provider, ProviderError
from lab.engine.registry import Registry
from lab.engine.report import Report
from lab.engine.snapshot import Snapshot
from lab.engine.state import Resource, now
from lab.engine.values import Props
from workbench.errors import WorkbenchError


class Steps:
    """Makes changes and records them."""

    def __init__(self, snapshot: Snapshot, registry: Registry, report: Report, preview: bool) -> None:
        self._snapshot = snapshot
        self._registry = registry
        self._report = report
        self._preview = preview

    def run(self, plan: Plan) -> Resource:
        """Carry out a plan: the resource as it then is. Raises WorkbenchError; what was made is recorded."""
        if plan.op is Op.SAME:
            return self._same(plan)
        if plan.op is Op.UPDATE:
            return self._update(plan)
        if plan.op is Op.IMPORT:
            return self._import(plan)
        for resource in plan.delete_first:
            self.delete(resource, Op.DELETE_REPLACED)
        if plan.op is Op.REPLACE:
            self._announce(Op.REPLACE, plan)
            return self._create(plan, Op.CREATE_REPLACEMENT)
        return self._create(plan, Op.CREATE)

    def _announce(self, op: Op, plan: Plan) -> None:
        """A step that is a name for several others: nothing is done by it alone."""
        self._report.started(op, plan.new, plan.diff)
        self._report.done(op, plan.new, plan.old, plan.diff, None if self._preview else 0.0)

    @contextlib.contextmanager
    def _step(
        self, op: Op, resource: Resource, old: Resource | None = None, diff: Diff | None = None
    ) -> Iterator[None]:
        """Report the step around the block, and the failure if it fails."""
        self._report.started(op, resource, diff)
        start = time.monotonic()
        try:
            yield
        except WorkbenchError as error:
            self._report.failed(op, resource, str(error))
            raise
        self._report.done(op, resource, old, diff, None if self._preview else time.monotonic() - start)

    @contextlib.contextmanager
    def _noted(self, kind: str, resource: Resource) -> Iterator[None]:
        """The state says during the block that the change is under way, and after a failure that it is not."""
        if self._preview:
            yield
            return
        operation = self._snapshot.begin(kind, resource)
        try:
            yield
        except WorkbenchError:
            self._snapshot.end(operation)
            self._snapshot.save()
            raise
        self._snapshot.end(operation)

    def _create(self, plan: Plan, op: Op) -> Resource:
        new, provider, timeout = plan.new, plan.provider, plan.goal.timeouts.get("create", 0.0)
        with self._step(op, new, plan.old, plan.diff), self._noted("creating", new):
            if provider:
                new.id = self._made(new, lambda: provider.create(new, timeout, self._preview)).id
            new.created = new.modified = now()
            if plan.old:
                plan.old.delete = True  # if it is still there: to go when all that leans on it has moved on
            self._snapshot.settle(new)
            self._raise_unfinished(new)
        return new

    def _made(self, new: Resource, make: Callable[[], Made]) -> Made:
        """What the provider makes, its outputs in `new`; a partial failure is noted in its init_errors."""
        try:
            made = make()
        except ProviderError as error:
            if error.partial is None:
                raise
            made = replace(error.partial, reasons=error.partial.reasons or [str(error)])
        new.outputs = self._outputs(new, made.outputs)
        new.init_errors = made.reasons
        return made

    def _outputs(self, resource: Resource, outputs: Props) -> Props:
        marked = values.annotate_secrets(outputs, resource.inputs)
        return values.mark_secret(marked, resource.additional_secret_outputs)

    def _raise_unfinished(self, resource: Resource) -> None:
        if resource.init_errors:
            raise WorkbenchError("; ".join(resource.init_errors))

    def _same(self, plan: Plan) -> Resource:
        old, new = plan.old, plan.new
        assert old is not None
        self._inherit(new, old)
        new.outputs = self._outputs(new, old.outputs)
        changed = asdict(new) != asdict(old)
        self._snapshot.settle(new, replaces=old, save=changed)
        self._report.done(Op.SAME, new, old, plan.diff, None if self._preview else 0.0)
        return new

    def _inherit(self, new: Resource, old: Resource) -> None:
        new.id, new.import_id = old.id, old.import_id
        new.created, new.modified = old.created, old.modified

    def _update(self, plan: Plan) -> Resource:
        old, new, provider = plan.old, plan.new, plan.provider
        assert old is not None
        timeout = plan.goal.timeouts.get("update", 0.0)
        self._inherit(new, old)
        with self._step(Op.UPDATE, new, old, plan.diff), self._noted("updating", new):
            if provider:
                self._made(new, lambda: provider.update(old, new, timeout, self._preview))
            else:
                new.outputs = old.outputs
            new.modified = now()
            self._snapshot.settle(new, replaces=old)
            self._raise_unfinished(new)
        return new

    def _import(self, plan: Plan) -> Resource:
        """Take over what exists under the id; where the program wants it otherwise, update it at once."""
        new, provider = plan.new, plan.provider
        assert provider is not None
        new.id = new.import_id = plan.goal.import_id
        with self._step(Op.IMPORT, new):
            existing = self._existing(new, provider)
            news = without_ignored(plan.goal.inputs, existing.inputs, plan.goal.ignore_changes)
            new.inputs, failures = provider.check(new, existing.inputs, news)
            if failures:
                raise WorkbenchError(check_failure(new, failures))
            diff = provider.diff(existing, new)
            if diff.must_replace:
                raise WorkbenchError(
                    f"importing {new.id} as {new.urn} would replace it, because of {', '.join(diff.replaces)}:"
                    f" make the program say what it is, or remove the `import` declaration"
                )
            existing.inputs = new.inputs if diff.changes is False else existing.inputs
            if plan.old is not None:
                plan.old.delete = True
            existing.created = existing.modified = now()
            self._snapshot.settle(existing)
        if diff.changes is False:
            return existing
        keys = values.changed_keys(existing.inputs, new.inputs)
        if diff.changes is None and not keys:
            return existing
        return self._update_imported(plan, existing, replace(diff, changes=True, keys=keys or diff.keys))

    def _existing(self, new: Resource, provider: Provider) -> Resource:
        found = provider.read(new, None, None)
        if not found.id:
            raise WorkbenchError(f"resource '{new.id}' does not exist, so {new.urn} cannot import it")
        if found.inputs is None:
            raise WorkbenchError(f"the {provider.package} provider cannot import a {new.type}")
        existing = replace(new, id=found.id, inputs=found.inputs)
        existing.outputs = self._outputs(new, found.outputs)
        return existing

    def _update_imported(self, plan: Plan, existing: Resource, diff: Diff) -> Resource:
        # It is settled as found, so that a failure of the update leaves it in the state.
        return self._update(replace(plan, op=Op.UPDATE, old=existing, diff=diff))

    def read(self, new: Resource, old: Resource | None) -> Resource:
        """Look up something that the program does not own (`.get`)."""
        with self._step(Op.READ, new):
            if old and not old.external:
                if old.protect:
                    raise refuse_protected(old, "turned into one that is only read")
                old.delete = True
            if values.is_unknown(new.id):
                new.id = ""  # of something that is yet to be made: so is all that it would say
            else:
                found = self._registry.get(new.provider).read(new, new.inputs, None)
                if not found.id:
                    raise WorkbenchError(f"resource '{new.id}' does not exist")
                new.id, new.outputs = found.id, self._outputs(new, found.outputs)
            self._snapshot.settle(new, replaces=old if old and old.external else None)
        return new

    def delete(self, resource: Resource, op: Op) -> None:
        """Delete a resource, or only forget it where its provider is not to be asked."""
        with self._step(op, resource), self._noted("deleting", resource):
            forget = not resource.custom or resource.is_provider
            forget = forget or resource.external or resource.retain_on_delete
            if not forget and not self._preview:
                self._registry.get(resource.provider).delete(resource)
            self._snapshot.drop(resource)
