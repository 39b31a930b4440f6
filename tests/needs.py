"""Programs of this machine that a test runs: tools/test-packages installs them."""

import shutil

import pytest


def needs(*commands: str) -> pytest.MarkDecorator:
    """Skips a test where one of `commands` is missing (in CI it fails: tests/lanes.py)."""
    missing = [command for command in commands if shutil.which(command) is None]
    reason = f"needs {', '.join(missing)}: tools/test-packages installs what tests run"
    return pytest.mark.skipif(bool(missing), reason=reason)
