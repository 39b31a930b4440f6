"""docs/when.md: each command is one of ours, with options that it has; each setting, page and program there is."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
import typer

from cli import logs, main
from deploy import tools
from workbench.stack import ROOT

PAGE = (ROOT / "docs" / "when.md").read_text()
ENTRIES = re.split(r"\n(?=\*\*)", PAGE)[1:]
OURS: click.Group = typer.main.get_command(main.app)  # type: ignore[assignment]
# What stands in code and is no setting, command, file or word of a command.
HOSTS = {
    "workbench-app",
    "sudo",
    "htop",
    "ncdu",
    "uv",
    "pip",
    "systemctl",
    "fail2ban-client",
    "cat",
    "du",
    "chown",
    "make",
    "pulumi",
}


def commands(text: str) -> Iterator[str]:
    """Command lines: indented ones, and those between backticks."""
    yield from re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    yield from (found for found in re.findall(r"`([^`]+)`", text) if " " in found)


def ours() -> list[str]:
    named = re.findall(r"`(workbench [^`]+)`|^    (workbench .*)$", " ".join(["", PAGE]), re.MULTILINE)
    return sorted({" ".join((one or other).split()) for one, other in named})


def test_there_are_entries_and_each_names_a_command_or_a_page() -> None:
    assert len(ENTRIES) >= 20
    lacking = [entry[:60] for entry in ENTRIES if "workbench " not in entry and "`rebuild`" not in entry]
    assert [entry for entry in lacking if "deploys to this host" not in entry] == []


@pytest.mark.parametrize("line", ours())
def test_each_command_is_one_of_ours_with_options_that_it_has(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = OURS.commands[name]
    with command.make_context(name, arguments) as context:
        assert context.params
    if name == "logs":
        logs.request(context.params["what"] or [])


def test_what_is_run_on_the_host_is_there() -> None:
    run = {shlex.split(line)[0] for line in commands(PAGE) if not line.startswith(("workbench", "--"))}
    assert run <= HOSTS, run - HOSTS
    assert "ncdu" in tools.PACKAGES
    assert "htop" in tools.PACKAGES


def test_each_setting_is_one_that_there_is() -> None:
    named = set(
        re.findall(r"`((?:[a-z]+\.)*[a-z]+[A-Z]\w*|(?:limits|services)\.[\w.]+|formerly|removed)`", PAGE)
    )
    assert len(named) >= 12
    reference = (ROOT / "docs" / "settings.md").read_text()
    known = {key.rpartition("workbench:")[2] for key in re.findall(r"`([\w:.\[\]]+)`", reference)}
    known |= {key.rpartition(".")[2] for key in known}
    assert named <= known, named - known


def test_each_page_that_it_leads_to_has_that_heading() -> None:
    for page, heading in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / page).read_text()
        heads = {
            re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not heading or heading in heads, (page, heading)


def test_the_readme_leads_there() -> None:
    assert "docs/when.md" in (ROOT / "README.md").read_text()
