"""`python -m lab.provider PORT`: the provider alone, until it is stopped; prints `ready` when it listens."""

from __future__ import annotations

import sys

from lab.provider import serve
from workbench.errors import WorkbenchError


def main() -> None:
    """Serve on the port named on the command line."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: python -m lab.provider PORT")
    try:
        server, _ = serve(int(sys.argv[1]))
    except WorkbenchError as error:
        sys.exit(str(error))
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
