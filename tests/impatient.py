"""`python -m tests.impatient SECONDS ARGUMENTS...`: the `workbench` command, which waits no longer for a volume.

For tests of waits that would else last ten minutes; all that it then says and does is the command's own.
"""

import sys

from cli import run, waiting

if __name__ == "__main__":
    waiting.WAIT_SECONDS = float(sys.argv.pop(1))
    run()
