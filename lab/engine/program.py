"""Running the Pulumi program, in this process: the SDK imported once serves a preview and the update after it."""

import asyncio
import contextlib
import contextvars
import logging
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pulumi.runtime
from pulumi.runtime.settings import Settings, configure

from lab.engine.deployment import Deployment, StoppedError
from lab.engine.monitor import EngineLog, Monitor
from lab.engine.project import Project
from lab.engine.stackfile import ConfigValue
from lab.engine.state import ROOT_STACK_TYPE
from workbench.errors import WorkbenchError


def run_program(project: Project, stack: str, config: dict[str, ConfigValue], deployment: Deployment) -> None:
    """Run the program against a deployment. What goes wrong is in the deployment's report and `failed`."""
    if not project.program.is_file():
        raise WorkbenchError(
            f"the program {project.program} does not exist: Pulumi.yaml's `main:` says where it is"
        )
    # The SDK keeps everything it knows of a run in context variables: a copy forgets it all afterwards.
    contextvars.copy_context().run(_run, project, stack, config, deployment)
    deployment.drain()


def _run(project: Project, stack: str, config: dict[str, ConfigValue], deployment: Deployment) -> None:
    prefix = f"urn:pulumi:{stack}::{project.name}::"
    root_urn = f"{prefix}{ROOT_STACK_TYPE}::{project.name}-{stack}"
    configure(
        Settings(
            project=project.name,
            stack=stack,
            organization="organization",
            root_directory=str(project.root),
            dry_run=deployment.preview,
            monitor=Monitor(deployment, prefix),
            engine=EngineLog(deployment),
        )
    )
    pulumi.runtime.set_all_config(
        {key: value.text for key, value in config.items()},
        [key for key, value in config.items() if value.secret],
    )
    # As the CLI's own executor does: asyncio complains of tasks that the SDK leaves behind on purpose.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        with _as_program(project.program):
            loop.run_until_complete(
                pulumi.runtime.run_in_stack(lambda: _execute(project.program, deployment))
            )
    except Exception as error:
        _report(deployment.program_error or error, root_urn, deployment)
    finally:
        deployment.drain()
        asyncio.set_event_loop(None)
        loop.close()


def _execute(program: Path, deployment: Deployment) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
    except Exception as error:
        # Noted before the SDK goes on: what was registered so far is still made (as by the real engine), the
        # stack's outputs are not the whole of them, and a failure on the way would hide this one.
        deployment.program_error = error
        raise


def _report(error: Exception, root_urn: str, deployment: Deployment) -> None:
    if isinstance(error, pulumi.RunError):
        deployment.fail(root_urn, str(error))
    elif not _stems_from_stop(error):  # else it is reported by what failed
        trace = "".join(traceback.format_exception(error))
        deployment.fail(root_urn, f"Program failed with an unhandled exception:\n{trace}")


def _stems_from_stop(error: BaseException | None) -> bool:
    """Whether an error is but a consequence of our refusing further work."""
    seen: set[int] = set()  # contexts of exceptions raised again can form a ring
    while error is not None and id(error) not in seen:
        if isinstance(error, StoppedError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _as_program(program: Path) -> Iterator[None]:
    """The folder, the import path and the arguments that the program expects; its own modules forgotten after.

    Forgotten, because module state of a preview must not leak into the update; packages of the virtual
    environment stay, as they hold none (and importing pulumi_aws takes seconds).
    """
    folder = program.parent
    before = set(sys.modules)
    former = (Path.cwd(), sys.path[:], sys.argv)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = [str(program)]
    try:
        yield
    finally:
        os.chdir(former[0])
        sys.path[:], sys.argv = former[1], former[2]
        for name in set(sys.modules) - before:
            if _is_projects_own(sys.modules[name], folder):
                del sys.modules[name]


def _is_projects_own(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file or "site-packages" in file:
        return False
    return Path(file).resolve().is_relative_to(folder.resolve())
