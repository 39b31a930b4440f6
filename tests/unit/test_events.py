"""What a person is shown of a deploy."""

import pytest

from workbench.errors import WorkbenchError
from workbench.events import Display, ended


def test_what_a_host_says_moves_no_terminal() -> None:
    display = Display()
    end = {"event": "end", "name": "x", "host": "h", "failed": "The team's environments"}
    display.take({**end, "lines": ["a\tb \x1b]0;title\x07\x1b[2J", "\u00e9\u202e"]})
    with pytest.raises(WorkbenchError) as caught:
        ended(display, 1, "log", "")
    assert "failed on h:\n    a b ?]0;title??[2J\n    \u00e9?\nThe whole log is log." in str(caught.value)
    with pytest.raises(WorkbenchError, match=r"failed\. said:\none\?\[2J\nThe whole"):
        ended(Display(), 1, "log", "said:\none\x1b[2J")
