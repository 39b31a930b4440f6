"""execute.py NOTEBOOK OUTPUT [KERNEL]: executes a notebook, for a schedule, as its user.

`jupyter nbconvert --execute` writes nothing where a cell fails. Here the output is written in each case, with what the
cells have put out until then, so that its user sees which one failed and how. It runs by its path, in the hub's
environment, which has nbclient; the kernel is the notebook's, or the one that is named.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# As users' servers have it (templates/jupyterhub/jupyterhub_config.py.j2).
KERNELS = "/usr/local/share/jupyter"


def run(notebook: Any, folder: Path, kernel: str) -> str:
    """Runs all cells, whose outputs are put into the notebook; why it could not, "" where it could.

    As in JupyterLab: the host's kernels and not this environment's own, by sockets that are the user's alone.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from traitlets.config import Config

    os.environ["JUPYTER_PATH"] = KERNELS
    with tempfile.TemporaryDirectory(prefix="notebook-", dir=os.environ.get("XDG_RUNTIME_DIR")) as sockets:
        # Without a place the sockets would be relative to the folder of this program, and the kernel has another.
        config = Config()
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = f"{sockets}/kernel.json"
        config.KernelSpecManager.ensure_native_kernel = False
        named: dict[str, Any] = {"kernel_name": kernel} if kernel else {}
        place = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, config=config, timeout=None, resources=place, **named)
        try:
            client.execute()
        except CellExecutionError as error:
            return str(error)
        except NoSuchKernel as error:
            return f"There is no kernel called {error.name} here."
        except DeadKernelError:
            return "The kernel died, as it does where it takes more memory than its user may."
        except RuntimeError as error:  # its kernel does not answer
            return str(error)
    return ""


def main(arguments: Sequence[str]) -> int:
    import nbformat

    source, output, kernel = Path(arguments[0]), Path(arguments[1]), arguments[2] if arguments[2:] else ""
    try:
        notebook = nbformat.read(source, as_version=4)
    except (OSError, ValueError) as error:
        print(f"{source} is no notebook that can be read: {error}", file=sys.stderr)
        return 1
    # A run that is ended leaves its outputs too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        why = run(notebook, source.parent, kernel)
    finally:
        nbformat.write(notebook, output)
        os.chmod(output, 0o600)
    if why:
        print(why, file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
