"""The landing page and the pages of errors, rendered and given to their real parsers."""

import re
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from deploy import proxy
from deploy.files import TEMPLATES, render
from tests.needs import needs
from tests.unit.deploy.test_proxy import APPS, HUB, OTHER


def page(
    name: str,
    services: list[proxy.Entry],
    notice: str = "",
    contact: str = "",
    named: bool = True,
    title: str = "Bench",
) -> BeautifulSoup:
    text = render(
        f"proxy/{name}.j2",
        services=services,
        host_name="bench.example",
        title=title,
        notice=notice,
        contact=contact,
        contact_link=proxy.contact_link(contact),
        named=named,
    )
    return BeautifulSoup(text, "html.parser")


def test_the_landing_page_lists_every_service_and_escapes_what_it_shows() -> None:
    landing = page("index.html", [HUB, OTHER], notice="<script>alert(1)</script> & more")
    cards = landing.select("[data-service]")
    assert [(card["data-service"], card["href"]) for card in cards] == [
        ("jupyterhub", "/jupyter/"),
        ("other", "/other/"),
    ]
    assert cards[1].select_one(".title").text == "R & <friends>"
    assert landing.select_one("[data-notices] p").text == "<script>alert(1)</script> & more"
    assert [script["src"] for script in landing.select("script")] == ["/notice.js", "/landing.js"]


def test_users_apps_have_a_place_on_the_landing_page_where_a_service_has_apps() -> None:
    assert page("index.html", [HUB]).select("[data-apps]") == []
    place = page("index.html", [HUB, APPS]).select_one("[data-apps]")
    assert place.has_attr("hidden")
    assert place.h2.text == "Apps"
    assert place.select("li") == []  # nobody's name is in the page itself


def test_without_a_domain_the_landing_page_says_what_that_means() -> None:
    said = page("index.html", [HUB], named=False).select_one("details").text
    assert "one site" in said
    assert "to its own user alone, and to no administrator either" in " ".join(said.split())
    assert page("index.html", [HUB]).select("details") == []


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("ada@example.org", "mailto:ada@example.org"),
        ("https://help.example.org/desk", "https://help.example.org/desk"),
        ("Ada, room <3>", None),
    ],
)
def test_the_landing_page_says_whom_to_ask(contact: str, link: str | None) -> None:
    footer = page("index.html", [HUB], contact=contact).footer
    assert contact in " ".join(footer.text.split())
    assert [a["href"] for a in footer.select("a")] == ([link] if link else [])


def test_without_a_notice_there_is_none_and_without_services_it_says_so() -> None:
    landing = page("index.html", [])
    assert landing.select("[data-notices] p, footer") == []
    assert "No service" in landing.main.text


@pytest.mark.parametrize("name", [name for name in proxy.PAGES if name.endswith(".html")])
def test_pages_obey_their_own_content_security_policy(name: str) -> None:
    found = page(name, [HUB], notice="n")
    assert found.select("style, [style], [onclick], [onload]") == []
    assert all(not script.text.strip() for script in found.select("script"))
    links = [tag.get("src") or tag.get("href") for tag in found.select("[src], [href]")]
    assert links
    assert [link for link in links if not link.startswith("/")] == []  # also found from /some/deep/page
    assert {link.removeprefix("/") for link in links if "." in link} <= set(proxy.PAGES)
    assert {"/guide/"} <= set(links)


@pytest.mark.parametrize("name", ["page.html", "workbench.html"])
def test_the_hubs_pages_ask_for_notices_as_ours_do(name: str) -> None:
    text = (TEMPLATES / "jupyterhub" / "pages" / name).read_text()
    head = (TEMPLATES / "proxy" / "page.html.j2").read_text()
    asked = [line.strip() for line in head.splitlines() if "/notice." in line]
    assert len(asked) == 2
    assert [line.strip() for line in text.splitlines() if "/notice." in line] == asked


def test_the_icon_is_an_image() -> None:
    assert xml.fromstring((TEMPLATES / "proxy/icon.svg").read_text()).tag.endswith("svg")


SCRIPTS = ("proxy/landing.js", "proxy/notice.js", "jupyterhub/labextension/notice.js")


@needs("node")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_are_javascript_and_make_no_markup_of_text(script: str, tmp_path: Path) -> None:
    path = tmp_path / "script.js"
    path.write_text((TEMPLATES / script).read_text())
    subprocess.run(["node", "--check", str(path)], check=True)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text())
