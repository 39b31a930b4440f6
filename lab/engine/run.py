"""The operations on a whole stack: preview, update, refresh, destroy."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lab.engine import values
from lab.engine.deployment import Deployment
from lab.engine.display import Display, preview_json
from lab.engine.ops import Op
from lab.engine.planner import refuse_protected
from lab.engine.plugins import PluginHost
from lab.engine.program import run_program
from lab.engine.refresh import refresh_all
from lab.engine.registry import Registry
from lab.engine.report import WARNING
from lab.engine.session import Session
from lab.engine.snapshot import Snapshot
from lab.engine.state import ROOT_STACK_TYPE, Checkpoint, Resource
from lab.engine.values import Props


@dataclass(frozen=True)
class Outcome:
    """How a phase ended: whether all went well, how many resources changed (or would)."""

    ok: bool
    changes: int


@contextlib.contextmanager
def _deployment(session: Session, checkpoint: Checkpoint, display: Display) -> Iterator[Deployment]:
    """A deployment over the stack's state, its providers stopped and its state saved at the end."""
    preview = display.planning
    project = session.project
    prefix = f"urn:pulumi:{session.stack}::{project.name}::"
    config = {
        key: values.secret(value.text) if value.secret else value.text
        for key, value in session.file.values(decrypt=True).items()
    }
    snapshot = Snapshot(checkpoint, None if preview else session.store, session.crypter())
    host = PluginHost(
        project.root,
        project.name,
        log=lambda severity, text: display.diagnose(severity, "", text),
        echo=display.say,
    )
    registry = Registry(host, snapshot, prefix, config, preview)
    deployment = Deployment(snapshot, registry, display, preview)
    try:
        with deployment.interruptible():
            yield deployment
    finally:
        deployment.drain()
        registry.stop()
        snapshot.save()


def _outcome(deployment: Deployment, display: Display) -> Outcome:
    return Outcome(ok=not deployment.stopping, changes=display.changes)


def _stack_outputs(resources: list[Resource]) -> Props:
    root = next((item for item in resources if item.type == ROOT_STACK_TYPE), None)
    return root.outputs if root else {}


def run_update(session: Session, display: Display, stack_verb: str) -> Outcome:
    """Run the program and bring the stack to what it says; in a preview say what that would be."""
    display.heading(stack_verb, session.stack)
    checkpoint = session.load()
    warn_of_unfinished(checkpoint, display)
    with _deployment(session, checkpoint, display) as deployment:
        run_program(session.project, session.stack, session.file.values(decrypt=True), deployment)
        if not deployment.stopping:
            deployment.delete_leftovers()
        outcome = _outcome(deployment, display)
        display.finish(deployment.outputs_before, _stack_outputs(deployment.snapshot.everything()))
    return outcome


def warn_of_unfinished(checkpoint: Checkpoint, display: Display) -> None:
    """Tell of what a run that was cut off may have made without writing it down.

    Other changes that were under way are simply made again: their resources are in the state.
    """
    checkpoint.pending = [item for item in checkpoint.pending if item.kind == "creating"]
    for operation in checkpoint.pending:
        display.diagnose(
            WARNING,
            operation.resource.urn,
            "an earlier run was cut off while creating this: if it was made all the same, it is not in the state and"
            " has to be removed by hand (or imported)",
        )


def run_refresh(session: Session, display: Display) -> Outcome:
    """Ask the providers what is really there, and make the state say so (not in a preview)."""
    display.heading("Previewing refresh" if display.planning else "Refreshing", session.stack)
    with _deployment(session, session.load(), display) as deployment:
        before = _stack_outputs(deployment.snapshot.old)
        refresh_all(deployment)
        outcome = _outcome(deployment, display)
        display.finish(before, None if display.planning else before)
    return outcome


def run_destroy(session: Session, display: Display, exclude_protected: bool) -> Outcome:
    """Delete everything in the stack. `exclude_protected`: but what is protected, and what that needs.

    A protected resource without that flag refuses the whole before anything is deleted; the real engine
    deletes all the others first, and then fails.
    """
    display.heading("Previewing destroy" if display.planning else "Destroying", session.stack)
    with _deployment(session, session.load(), display) as deployment:
        resources = deployment.snapshot.everything()
        protected = [item for item in resources if item.protect]
        kept = _kept_for(protected, resources) if exclude_protected else set()
        if protected and not exclude_protected:
            for item in protected:
                deployment.fail(item.urn, str(refuse_protected(item, "deleted")))
        else:
            going = [item for item in resources if item.urn not in kept]
            deployment.delete_all(going, lambda item: deployment.steps.delete(item, Op.DELETE))
        outcome = _outcome(deployment, display)
        display.finish({}, None)
    if outcome.ok:
        _say_farewell(session, display, len(protected) if exclude_protected else 0)
    return outcome


def _kept_for(protected: list[Resource], resources: list[Resource]) -> set[str]:
    """The URNs of the protected and of everything they need, directly or not."""
    by_urn = {item.urn: item for item in resources}
    kept: set[str] = set()
    todo = [item.urn for item in protected]
    while todo:
        urn = todo.pop()
        if urn not in kept and urn in by_urn:
            kept.add(urn)
            todo.extend(by_urn[urn].needs())
    return kept


def _say_farewell(session: Session, display: Display, protected: int) -> None:
    if display.planning:
        return
    if protected:
        display.say(
            f"All unprotected resources were destroyed. There are still {protected} protected resources associated"
            f" with this stack."
        )
    else:
        display.say(
            "The resources in the stack have been deleted, but the history and configuration associated with the"
            f" stack are still maintained.\nIf you want to remove the stack completely, run `pulumi stack rm"
            f" {session.stack}`."
        )


def run_preview_json(session: Session, display: Display) -> tuple[Outcome, str]:
    """A preview whose result is JSON; `display` must be quiet."""
    began = time.monotonic()
    outcome = run_update(session, display, "")
    config = {
        key: "[secret]" if value.secret else value.text
        for key, value in session.file.values(decrypt=False).items()
    }
    return outcome, preview_json(display, config, time.monotonic() - began)
