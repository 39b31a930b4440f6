"""Shiny's page, and how an app is started."""

from bs4 import BeautifulSoup

from deploy.files import render
from workbench.settings.services import Shiny
from workbench_host.apps.kinds import KINDS
from workbench_host.apps.running import Limits


def test_the_page_says_where_an_app_goes_and_is_found_there() -> None:
    text = render(
        "shiny/index.html.j2", title="Bench", path=Shiny.path, idle_seconds=int(Limits.idle_seconds)
    )
    page = BeautifulSoup(text, "html.parser")
    assert "/shiny/ada/hello/" in page.main.text
    assert f"~/{KINDS['shiny'].folder}" in page.main.text
    assert "10 minutes" in " ".join(page.main.text.split())
    assert page.select("style, script:not([src])") == []


def test_its_apps_are_those_that_its_path_leads_to() -> None:
    assert Shiny.apps
    assert Shiny.path == "/shiny/"
    assert "shiny" in KINDS
