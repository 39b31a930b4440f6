"""execute.py NOTEBOOK OUTPUT [KERNEL]: executes a notebook, for a schedule, as its user.

`jupyter nbconvert --execute` writes nothing where a cell fails. Here the output is written in each case, with what the
cells have put out until then, so that its user sees which one failed and how. It runs by its path, in the hub's
environment, which has nbclient; the kernel is the notebook's, or the one that is named.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# As users' servers have it (templates/jupyterhub/jupyterhub_config.py.j2).
KERNELS = "/usr/local/share/jupyter"
# After a server starts all that was missed begins at once, from a cold disk. A kernel that dies is noticed anyway.
STARTUP_SECONDS = 600
ENDED = "The notebook was ended before it was through; what its cells had put out by then is kept."


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))  # until there is a kernel
    import nbformat

    source, output, kernel = Path(arguments[0]), Path(arguments[1]), arguments[2] if arguments[2:] else ""
    try:
        notebook = nbformat.read(source, as_version=4)
    except (OSError, ValueError) as error:
        print(f"{source} is no notebook that can be read: {error}", file=sys.stderr)
        return 1
    # As in JupyterLab: the host's kernels and not this environment's own, by sockets that are the user's alone.
    os.environ["JUPYTER_PATH"] = KERNELS
    sockets = tempfile.mkdtemp(prefix="notebook-", dir=os.environ.get("XDG_RUNTIME_DIR"))
    try:
        said = execute(notebook, source.parent, kernel, sockets)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
        trouble = keep(notebook, output)
    for sentence in filter(None, (said, trouble)):
        print(sentence, file=sys.stderr)
    return 1 if said or trouble else 0


def keep(notebook: Any, output: Path) -> str:
    """Writes it; why that failed, as where its user's disk is full, "" where it did not."""
    import nbformat

    try:
        nbformat.write(notebook, output)
        os.chmod(output, 0o600)
    except OSError as error:
        output.unlink(missing_ok=True)
        return f"The notebook with what its cells have put out could not be kept: {error.strerror}."
    return ""


def execute(notebook: Any, folder: Path, kernel: str, sockets: str) -> str:
    """Runs the cells, which puts their output into the notebook; what went wrong, "" where nothing did."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    config = Config(
        {
            # Without a place they would be relative to the folder of this program, and the kernel has another.
            "KernelManager": {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"},
            "KernelSpecManager": {"ensure_native_kernel": False},
        }
    )
    named: dict[str, Any] = {"kernel_name": kernel} if kernel else {}
    ended = threading.Event()

    def end(*_: object) -> None:
        """Beside nbclient's own handler, which ends the kernel: after a while that is longer than there is."""
        ended.set()
        client.shutdown_kernel = "immediate"

    def begun(**_: object) -> None:
        signal.signal(signal.SIGTERM, end)

    client = NotebookClient(
        notebook,
        config=config,
        timeout=None,
        startup_timeout=STARTUP_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        on_notebook_start=begun,
        **named,
    )
    try:
        client.execute()
    except Exception as error:
        if ended.is_set():  # nbclient fails in one way or another, once its kernel is gone
            return ENDED
        return _why(error)
    return ""


def _why(error: Exception) -> str:
    """What a failure of nbclient's means, in words. Raises what is none of the known ones."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    if isinstance(error, NoSuchKernel):
        return f"There is no kernel called {error.name} here."
    if isinstance(error, DeadKernelError):
        return "The kernel died, as it does where it takes more memory than its user may."
    if isinstance(error, CellExecutionError | RuntimeError):  # the latter where its kernel does not answer
        return str(error)
    raise error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
