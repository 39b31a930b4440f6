"""Programs of this machine that a test runs: tools/test-packages installs them, sshd in CI alone."""

import os
import shutil

import pytest


def needs(*commands: str) -> pytest.MarkDecorator:
    """Skips a test where one of `commands` is missing (in CI it fails: tests/lanes.py)."""
    missing = [command for command in commands if shutil.which(command) is None]
    reason = f"needs {', '.join(missing)}: tools/test-packages installs what tests run"
    return pytest.mark.skipif(bool(missing), reason=reason)


SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")  # not on a person's own PATH
needs_sshd = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh-agent") is None,
    reason="needs sshd (Debian's openssh-server), which tools/test-packages installs in CI alone",
)
