"""Shiny Server's configuration and unit as rendered."""

import re
import subprocess
from pathlib import Path

from bs4 import BeautifulSoup

from deploy import shiny, units
from deploy.files import render
from tests.needs import needs
from workbench.settings.services import Shiny

SERVICE = Shiny.model_validate({"enabled": True, "port": 4000})


def configuration() -> str:
    return render(
        "shiny/shiny-server.conf.j2",
        service=SERVICE,
        state=shiny.STATE,
        site=shiny.SITE,
        account=shiny.ACCOUNT,
        idle_seconds=shiny.IDLE_SECONDS,
    )


def test_it_listens_on_loopback_on_the_port_of_the_settings() -> None:
    assert re.findall(r"^\s*listen (.*);$", configuration(), re.MULTILINE) == ["4000 127.0.0.1"]


def test_apps_run_as_whose_they_are_and_nothing_runs_as_root() -> None:
    text = configuration()
    assert re.findall(r"run_as (\S+);", text) == [shiny.ACCOUNT, ":HOME_USER:"]
    assert re.findall(r"directory_index (\S+);", text) == ["off", "off"]
    assert text.count("{") == text.count("}")


def test_the_page_says_where_an_app_goes_and_is_found_there() -> None:
    page = BeautifulSoup(
        render("shiny/index.html.j2", service=SERVICE, idle_seconds=shiny.IDLE_SECONDS), "html.parser"
    )
    assert "/shiny/ada/hello/" in page.main.text
    assert "10 minutes" in " ".join(page.main.text.split())
    assert page.select("style, script") == []


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    path = tmp_path / shiny.UNIT
    path.write_text(
        render(
            f"shiny/{shiny.UNIT}.j2",
            program="/bin/true",
            config=shiny.CONFIG,
            state=shiny.STATE,
            answering=units.answering(SERVICE),
            locale="en_US.UTF-8",
        )
    )
    said = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    ).stderr
    assert [line for line in said.splitlines() if "shiny" in line] == []
