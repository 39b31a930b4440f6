"""What pages quote of the code is what the code says."""

import re
from collections.abc import Iterator

import pytest

from workbench.stack import ROOT
from workbench_host import PROGRAMS

PAGE = ROOT / "docs" / "add-a-service.md"
QUOTED = ("workbench/settings/services.py", "workbench/settings/services.py", "deploy/rstudio.py")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def parts(block: str) -> Iterator[str]:
    """What stands between the lines that say that something is left out."""
    yield from re.split(r"^ *\.\.\.\n", block, flags=re.MULTILINE)


@pytest.mark.parametrize(("block", "file"), list(zip(BLOCKS, QUOTED, strict=True)))
def test_the_page_on_services_quotes_the_code_to_the_letter(block: str, file: str) -> None:
    text, at = (ROOT / file).read_text(), 0
    for part in parts(block):
        found = text.find(part, at)
        assert found >= 0, f"{PAGE.name} quotes what {file} does not say there:\n{part}"
        at = found + len(part)


def test_the_page_on_services_names_files_that_there_are() -> None:
    named = re.findall(r"`((?:deploy|host|templates|tests|tools|workbench)/[\w./-]+)`", PAGE.read_text())
    assert "deploy/main.py" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_page_on_services_tells_of_all_units_and_programs_that_its_example_takes() -> None:
    page, deploy = PAGE.read_text(), (ROOT / "deploy" / "rstudio.py").read_text()
    units = [path.name.removesuffix(".j2") for path in (ROOT / "templates" / "rstudio").glob("workbench-*")]
    programs = [f"host/workbench_host/{PROGRAMS[name]}.py" for name in PROGRAMS if f'"{name}"' in deploy]
    assert len(programs) == 4
    assert [name for name in (*units, *programs) if f"`{name}`" not in page] == []
