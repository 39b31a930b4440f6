"""execute.py NOTEBOOK OUTPUT [KERNEL]: executes a notebook, for a schedule, as its user.

`jupyter nbconvert --execute` writes nothing where a cell fails. Here the output is written in each case, with what the
cells have put out until then, so that its user sees which one failed and how. It runs by its path, in the hub's
environment, which has nbclient; the kernel is the notebook's, or the one that is named.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

KERNELS = (
    "/usr/local/share/jupyter"  # as users' servers have it (templates/jupyterhub/jupyterhub_config.py.j2)
)


def main(arguments: Sequence[str]) -> int:
    import nbformat
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from traitlets.config import Config

    source, output, kernel = Path(arguments[0]), Path(arguments[1]), arguments[2] if arguments[2:] else ""
    try:
        notebook = nbformat.read(source, as_version=4)
    except (OSError, ValueError) as error:
        print(f"{source} is no notebook that can be read: {error}", file=sys.stderr)
        return 1
    # As in JupyterLab: the host's kernels and not this environment's own, by sockets that are the user's alone.
    os.environ["JUPYTER_PATH"] = KERNELS
    sockets = tempfile.mkdtemp(prefix="notebook-", dir=os.environ.get("XDG_RUNTIME_DIR"))
    config = Config(
        {
            # Without a place they would be relative to the folder of this program, and the kernel has another.
            "KernelManager": {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"},
            "KernelSpecManager": {"ensure_native_kernel": False},
        }
    )
    named = {"kernel_name": kernel} if kernel else {}
    client = NotebookClient(
        notebook, config=config, timeout=None, resources={"metadata": {"path": str(source.parent)}}, **named
    )
    status = 0
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        status = 1
    except NoSuchKernel as error:
        print(f"There is no kernel called {error.name} here.", file=sys.stderr)
        status = 1
    except DeadKernelError:
        print("The kernel died, as it does where it takes more memory than its user may.", file=sys.stderr)
        status = 1
    except RuntimeError as error:  # its kernel does not answer
        print(error, file=sys.stderr)
        status = 1
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
        nbformat.write(notebook, output)
        os.chmod(output, 0o600)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
