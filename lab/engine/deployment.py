"""One run over a stack: the program's registrations planned and carried out, then what is left over deleted."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lab.engine.ops import Op
from lab.engine.planner import Planner, refuse_protected
from lab.engine.registry import Registry, package_of
from lab.engine.report import ERROR, Report
from lab.engine.snapshot import Snapshot
from lab.engine.state import ROOT_STACK_TYPE, Resource
from lab.engine.steps import Steps
from lab.engine.values import Props
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from lab.engine.goal import Goal

_PARALLEL_DELETES = 8
STOPPED = 130  # the exit status of a shell's command that Ctrl-C ended


class StoppedError(Exception):
    """Told to the program when it asks for more after something failed; never shown."""


class Deployment:
    """Everything that a run shares between its threads."""

    def __init__(self, snapshot: Snapshot, registry: Registry, report: Report, preview: bool) -> None:
        self.snapshot = snapshot
        self.registry = registry
        self.report = report
        self.preview = preview
        self.failed = False
        self.program_error: Exception | None = None
        self.outputs_before: Props = {}
        self.steps = Steps(snapshot, registry, report, preview)
        root = next((item for item in snapshot.old if item.type == ROOT_STACK_TYPE), None)
        self.outputs_before = root.outputs if root else {}
        self._planner = Planner(snapshot, registry)
        self._planning = threading.RLock()
        self._busy = 0
        self._idle = threading.Condition()
        self._cancelled = False

    # Starting, failing, stopping

    @property
    def stopping(self) -> bool:
        """Whether nothing new is to be started."""
        return self.failed or self._cancelled

    @contextlib.contextmanager
    def working(self, urn: str) -> Iterator[None]:
        """One piece of work, which `drain` waits for. Its failure is reported, and stops what is not begun."""
        with self._idle:
            if self.stopping:
                raise StoppedError
            self._busy += 1
        try:
            yield
        except WorkbenchError as error:
            self.fail(urn, str(error))
            raise StoppedError from error
        except Exception:
            self.failed = True
            raise
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def fail(self, urn: str, message: str) -> None:
        self.failed = True
        self.report.diagnose(ERROR, urn, message)

    def drain(self) -> None:
        """Wait until the work that was begun has ended."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C (or SIGTERM) ends the run after the steps that are under way; a second one ends it at once."""

        def stop(_signal: int, _frame: object) -> None:
            if self._cancelled:
                self._leave()
            self._cancelled = True
            self.report.say(
                "Stopping after the steps that are under way; press Ctrl-C again to stop at once."
            )

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _leave(self) -> None:
        """End the process without waiting for providers; the state names what they were doing."""
        self.report.say("Stopped at once: what was under way may have been done, or half done.")
        sys.stdout.flush()
        os._exit(STOPPED)

    # What the program asks for

    def register(self, goal: "Goal") -> Resource:
        """Bring a resource to where the program wants it."""
        with self.working(goal.urn):
            with self._planning:
                if goal.resource().is_provider:
                    self._planner.claim(goal.urn)
                    return self.registry.register(goal.resource())
                plan = self._planner.plan(goal)
            return self.steps.run(plan)

    def read(self, new: Resource, version: str) -> Resource:
        """Look up a resource that is not the program's own."""
        with self.working(new.urn):
            with self._planning:
                self._planner.claim(new.urn)
                if not new.provider:
                    new.provider = self.registry.default(package_of(new.type), version)
                old = self.snapshot.find_old(new.urn)
            return self.steps.read(new, old)

    def invoke(
        self, token: str, args: Props, provider: str, version: str
    ) -> tuple[Props, list[tuple[str, str]]]:
        """Call a function of a provider: (result, failures)."""
        with self.working(""), self._planning:
            reference = provider or self.registry.default(package_of(token), version)
            speaker = self.registry.get(reference)
        return speaker.invoke(token, args, self.preview)

    def register_outputs(self, urn: str, outputs: Props) -> None:
        """Record a component's outputs; the stack's are those of the last run that succeeded."""
        resource = self.snapshot.find_new(urn)
        if resource is None:
            return
        if resource.type == ROOT_STACK_TYPE and (self.stopping or self.program_error):
            return
        changed = resource.outputs != outputs
        resource.outputs = outputs
        if changed:
            self.snapshot.save()

    # What the program no longer asks for

    def delete_leftovers(self) -> None:
        """Delete what the program did not register, and the old halves of replacements."""
        leftovers = list(self.snapshot.old)
        protected = [item for item in leftovers if item.protect and not item.delete]
        for item in protected:
            self.fail(item.urn, str(refuse_protected(item, "deleted")))
        if not protected:
            self.delete_all(
                leftovers,
                lambda item: self.steps.delete(item, Op.DELETE_REPLACED if item.delete else Op.DELETE),
            )

    def delete_all(self, resources: list[Resource], delete: Callable[[Resource], None]) -> None:
        """Delete resources, whatever leans on others first, those that are independent at the same time."""

        def one(resource: Resource) -> None:
            # A failure, or being too late after one, is reported already.
            with contextlib.suppress(StoppedError), self.working(resource.urn):
                delete(resource)

        with ThreadPoolExecutor(_PARALLEL_DELETES) as pool:
            for wave in waves(resources):
                if not self.stopping:
                    list(pool.map(one, wave))


def waves(resources: list[Resource]) -> list[list[Resource]]:
    """`resources` (dependencies first) in groups: each may go when all groups before it have gone.

    As the real engine schedules deletes: layers from the ground up, taken from the top (ScheduleDeletes).
    """
    level: dict[int, int] = {}
    for at, resource in enumerate(resources):
        below = [level[i] for i in range(at) if resources[i].urn in resource.needs()]
        level[at] = max(below, default=-1) + 1
    layers: list[list[Resource]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for at, resource in enumerate(resources):
        layers[level[at]].append(resource)
    return [layer[::-1] for layer in reversed(layers)]
