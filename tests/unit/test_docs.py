"""What pages quote of the code is what the code says."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import main
from workbench.settings.services import JupyterHub, RStudio
from workbench.stack import ROOT
from workbench_host import PROGRAMS

PAGE = ROOT / "docs" / "add-a-service.md"
SSHD = "templates/ssh/sshd.conf.j2"
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


def test_the_page_on_security_says_how_long_sshd_turns_an_address_away() -> None:
    [minutes] = re.findall(r"^PerSourcePenalties .*max:(\d+)m", (ROOT / SSHD).read_text(), re.MULTILINE)
    words = {"5": "five minutes", "10": "ten minutes"}[minutes]
    text = " ".join((ROOT / "docs" / "security.md").read_text().split())
    assert f"(PerSourcePenalties, {words} at most)" in text
    assert f"Failures cost an address time, which grows to {words}" in text


def test_the_page_on_security_says_by_whom_each_socket_with_a_name_is_reached() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    table = page.partition("## How each part is reached, and by whom\n")[2].partition("\n## ")[0]
    fail2ban = re.findall(
        r"^socket = (\S+)$", (ROOT / "templates/fail2ban/fail2ban.local").read_text(), re.MULTILINE
    )
    sockets = (RStudio.judge.socket, RStudio.sign_in.socket, JupyterHub.passage.socket, *fail2ban)
    assert len(sockets) == 4
    assert [path for path in sockets if f"`{path}`" not in table] == []


def test_the_page_on_services_tells_of_all_units_and_programs_that_its_example_takes() -> None:
    page, deploy = PAGE.read_text(), (ROOT / "deploy" / "rstudio.py").read_text()
    units = [path.name.removesuffix(".j2") for path in (ROOT / "templates" / "rstudio").glob("workbench-*")]
    programs = [f"host/workbench_host/{PROGRAMS[name]}.py" for name in PROGRAMS if f'"{name}"' in deploy]
    assert len(programs) == 4
    assert [name for name in (*units, *programs) if f"`{name}`" not in page] == []


def test_the_page_on_the_command_has_all_commands_and_which_speak_json() -> None:
    page = (ROOT / "docs" / "command.md").read_text()
    table = page.partition("**Which stack?**")[0]
    listed = page.partition("**For programs**: ")[2].partition(" JSON goes to")[0]
    for command in main.app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"`{name}`" in table, f"{name} is not in the table"
        if "as_json" in inspect.signature(command.callback).parameters and name != "deploy":
            assert f"`{name}`" in listed, f"{name} is not among those with --json"


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")],
    ids=lambda page: page.name,
)
def test_no_page_has_a_figure_that_nobody_filled_in(page: Path) -> None:
    assert re.findall(r"@[A-Z]+@", page.read_text()) == []


FAULTS = (ROOT / "docs" / "faults.md").read_text()
ROWS = re.findall(r"^\|(.+)\| `(tests/[\w/]+\.py)::(\w+)` \|$", FAULTS, re.MULTILINE)


def test_the_page_on_notices_has_all_commands_that_give_people_time() -> None:
    gives = set()
    for command in main.app.registered_commands:
        assert command.callback
        if "minutes" in inspect.signature(command.callback).parameters:
            gives.add(command.callback.__name__)
    page = (ROOT / "docs/notice.md").read_text()
    (coming,) = re.findall(r"^\| what is coming \| (.*?) with `--grace", page, re.MULTILINE)
    assert {name.removeprefix("workbench ") for name in re.findall(r"`([^`]+)`", coming)} == gives
    asked = page.partition("## Who computes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", asked, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == gives


def test_the_page_on_faults_has_as_many_rows_as_it_says_each_with_its_test() -> None:
    [said] = re.findall(r"There are (\d+) rows", " ".join(FAULTS.split()))
    tables = re.findall(r"^\|(?![-| ]*$)(.+)\|$", FAULTS, re.MULTILINE)
    heads = [row for row in tables if row.rstrip().endswith("test")]
    assert len(heads) == FAULTS.count("\n|---")
    assert len(ROWS) == len(tables) - len(heads) == int(said)


@pytest.mark.parametrize(("row", "file", "test"), ROWS)
def test_the_page_on_faults_names_a_test_that_there_is_in_the_lane_that_it_says(
    row: str, file: str, test: str
) -> None:
    functions = {
        one.name: one for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.FunctionDef)
    }
    assert test in functions, f"{file} has no {test}"
    long = [one for one in functions[test].decorator_list if ast.unparse(one) in ("long", "pytest.mark.long")]
    assert not ("*" in row.split("|")[0] and long), "it is not in `make test`"
