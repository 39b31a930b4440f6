"""What is to be done with a resource that the program registers: the real engine's step generator.

Source of the rules: pulumi/pkg/resource/deploy/step_generator.go; the same calls in the same order for each
resource (Check, Diff, for a replacement Check again without the old inputs).
"""

import copy
from dataclasses import dataclass, field, replace

from lab.engine import paths, values
from lab.engine.answers import Diff
from lab.engine.goal import Goal
from lab.engine.ops import Op
from lab.engine.provider import Provider
from lab.engine.registry import Registry, package_of
from lab.engine.snapshot import Snapshot
from lab.engine.state import Resource, provider_urn
from lab.engine.values import Props
from workbench.errors import WorkbenchError


@dataclass
class Plan:
    """One of CREATE, SAME, UPDATE, REPLACE, IMPORT for `goal`.

    `delete_first`: what has to go before `new` can be made, in that order; `old` may be gone already, to make way
    for something that it leaned on. `provider` None: a component.
    """

    op: Op
    goal: Goal
    new: Resource
    old: Resource | None = None
    provider: Provider | None = None
    diff: Diff = field(default_factory=lambda: Diff(changes=False))
    delete_first: list[Resource] = field(default_factory=list)


def refuse_protected(resource: Resource, deed: str) -> WorkbenchError:
    """The refusal to harm a protected resource (in the words of the CLI)."""
    return WorkbenchError(
        f'resource "{resource.urn}" cannot be {deed}\n'
        f"because it is protected. To unprotect the resource, either remove the `protect` flag from the resource in"
        f" your Pulumi program and run `pulumi up`, or use the command:\n`pulumi state unprotect '{resource.urn}'`"
    )


def without_ignored(news: Props, olds: Props, ignore_changes: list[str]) -> Props:
    """The inputs with all that is in `ignore_changes` as it was."""
    kept: Props = copy.deepcopy(news)
    for path in ignore_changes:
        paths.reset(paths.parse(path), olds, kept)
    return kept


class Planner:
    """Plans one resource at a time (the caller holds a lock); remembers what it condemned on the way."""

    def __init__(self, snapshot: Snapshot, registry: Registry) -> None:
        self._snapshot = snapshot
        self._registry = registry
        self._before = list(snapshot.old)
        self._seen: set[str] = set()
        self._condemned: dict[
            str, Resource
        ] = {}  # by URN: deleted to make way, to be made again if asked for
        self._superseded: set[Resource] = set()  # the old halves of this run's replacements
        self._going: set[Resource] = set()  # all that is or was deleted to make way

    def plan(self, goal: Goal) -> Plan:
        """The plan for a goal; raises WorkbenchError where it is impossible or forbidden."""
        self.claim(goal.urn)
        gone = self._condemned.get(goal.urn)
        old = None if gone else self._old_of(goal)
        new = goal.resource()
        provider = self._provider_of(goal, new)
        if provider and self._is_import(goal, old):
            if old and old.protect and new.protect:
                raise refuse_protected(old, "replaced by an imported one")
            return Plan(Op.IMPORT, goal, new, old, provider)
        if old and old.external:
            old.delete = True  # it was only looked at: from here on the program has one of its own
            old = None
        if provider:
            olds = old.inputs if old else {}
            news = without_ignored(goal.inputs, olds, goal.ignore_changes) if old else goal.inputs
            new.inputs = self._checked(provider, new, olds, news)
        if gone:
            keys = values.changed_keys(gone.inputs, new.inputs)
            return Plan(Op.REPLACE, goal, new, gone, provider, Diff(changes=True, keys=keys))
        if old is None:
            return Plan(Op.CREATE, goal, new, provider=provider)
        return self._change(Plan(Op.SAME, goal, new, old, provider), old)

    def claim(self, urn: str) -> None:
        """Note that this run has come to a resource; twice is the program's mistake."""
        if urn in self._seen:
            raise WorkbenchError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        self._seen.add(urn)

    def _old_of(self, goal: Goal) -> Resource | None:
        for urn in (goal.urn, *goal.aliases):
            old = self._snapshot.find_old(urn)
            if old is not None:
                return old
        return None

    def _provider_of(self, goal: Goal, new: Resource) -> Provider | None:
        if not goal.custom:
            return None
        if not goal.provider:
            new.provider = self._registry.default(package_of(goal.type), goal.version)
        return self._registry.get(new.provider)

    def _is_import(self, goal: Goal, old: Resource | None) -> bool:
        if not goal.import_id:
            return False
        return old is None or old.external or (old.import_id or old.id) != goal.import_id

    def _checked(self, provider: Provider, new: Resource, olds: Props, news: Props) -> Props:
        inputs, failures = provider.check(new, olds, news)
        if failures:
            raise WorkbenchError(check_failure(new, failures))
        return inputs

    def _change(self, plan: Plan, old: Resource) -> Plan:
        plan.diff = self.diff(plan, old)
        if not plan.diff.changes:
            # What its provider could not finish last time is taken up again, by an update that changes nothing.
            plan.op = Op.UPDATE if old.init_errors else Op.SAME
        elif plan.diff.must_replace:
            self._replace(plan, old)
        else:
            plan.op = Op.UPDATE
        return plan

    def diff(self, plan: Plan, old: Resource) -> Diff:
        """What changes between the old resource and the new, and whether that takes a new one."""
        goal, new = plan.goal, plan.new
        if plan.provider is None:
            keys = values.changed_keys(old.inputs, new.inputs)
            return Diff(changes=bool(keys), keys=keys)
        if not old.provider or self._registry.forces_replacement(old.provider, new.provider):
            return Diff(changes=True, replaces=["provider"])
        diff = plan.provider.diff(old, new)
        keys = values.changed_keys(old.inputs, without_ignored(new.inputs, old.inputs, goal.ignore_changes))
        if diff.changes is None:
            diff = replace(diff, changes=bool(keys), keys=keys)
        elif diff.changes and not diff.paths:
            named = {key: keys.get(key, "~") for key in diff.keys}
            diff = replace(diff, keys=named or keys)
        return _with_replace_on_changes(diff, goal.replace_on_changes) if diff.changes else diff

    def _replace(self, plan: Plan, old: Resource) -> None:
        goal = plan.goal
        if old.protect and plan.new.protect:
            raise refuse_protected(old, "replaced")
        if goal.import_id:
            raise WorkbenchError(
                "previously-imported resources that still specify an ID may not be replaced; please remove the"
                f" `import` declaration of {goal.urn} from your program"
            )
        plan.op = Op.REPLACE
        if plan.provider:
            plan.new.inputs = self._checked(plan.provider, plan.new, {}, goal.inputs)
        first = goal.delete_before_replace
        if plan.diff.delete_before_replace if first is None else first:
            dependents = self._dependents_to_replace(old)
            for dependent in dependents:
                if dependent.protect and not self._is_old_half(dependent):
                    raise refuse_protected(dependent, f"deleted to make way for a new {old.urn}")
            self._going.update(dependents)
            self._condemned.update({item.urn: item for item in dependents if not self._is_old_half(item)})
            plan.delete_first = [*reversed(dependents), old]
        else:
            self._superseded.add(old)

    def _is_old_half(self, item: Resource) -> bool:
        """Whether a replacement of it is there or on its way."""
        return item.delete or item in self._superseded

    def _dependents_to_replace(self, root: Resource) -> list[Resource]:
        """What must be deleted before `root` is: its dependents that a new `root` would replace, in their order.

        Each is asked of its provider with the properties that come from what is replaced made unknown.
        """
        going = {root.urn}
        found = []
        for item in self._before:
            if item in self._going or not item.custom or item.external:
                continue
            if item.urn in self._seen and not self._is_old_half(item):
                continue  # this run has come to it: it no longer leans on the root
            unknown = {
                key
                for key, urns in item.property_dependencies.items()
                if key in item.inputs and going & {*urns}
            }
            if not unknown or item.is_provider or provider_urn(item.provider) in going:
                continue
            inputs = {key: values.UNKNOWN if key in unknown else value for key, value in item.inputs.items()}
            if self._registry.get(item.provider).diff(item, replace(item, inputs=inputs)).must_replace:
                going.add(item.urn)
                found.append(item)
        return found


def check_failure(resource: Resource, failures: list[tuple[str, str]]) -> str:
    """A provider's objections as the CLI words them, one line each."""
    kind = resource.type
    return "\n".join(
        f"{kind} resource '{resource.name}' has a problem: {reason}"
        + (f". Examine values at '{resource.name}.{name}'." if name else "")
        for name, reason in failures
    )


def _with_replace_on_changes(diff: Diff, patterns: list[str]) -> Diff:
    """The diff with what the program calls a reason for replacement made one."""
    wanted = [paths.parse(pattern) for pattern in patterns]
    changed = [paths.parse(path) for path in diff.paths] or [[key] for key in diff.keys]
    forced = [str(path[0]) for path in changed if any(paths.covers(pattern, path) for pattern in wanted)]
    return replace(diff, replaces=list(dict.fromkeys([*diff.replaces, *forced])))
