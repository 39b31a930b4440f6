"""What all pages have in common, ours and the hub's: the title as text, a way back, colours that can be read."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub._data import DATA_FILES_PATH

from deploy import guide, jupyterhub, proxy, rstudio
from deploy.files import TEMPLATES, render
from tests.unit.deploy.test_proxy import HUB
from workbench_host import pages

TITLE = '<script>alert(1)</script> {{ 7 * 7 }} {% raw %} "R" & #x#'
PAGES = TEMPLATES / "jupyterhub" / "pages"
HUB_PAGES = [
    name.removesuffix(".html") for name in jupyterhub.PAGE_NAMES if name not in ("bar.html", "hub.css")
]


def hub_page(name: str, title: str = TITLE) -> str:
    """One of the hub's pages, rendered by Jinja as jupyterhub 6.1.1 sets that up (app.py, init_tornado_settings)."""
    own = Path(DATA_FILES_PATH) / "templates"
    found = [PrefixLoader({"templates": FileSystemLoader(own)}, "/"), FileSystemLoader([PAGES, own])]
    environment = Environment(loader=ChoiceLoader(found), autoescape=True)
    user = SimpleNamespace(
        name="ada",
        json_escaped_name="ada",
        spawner=SimpleNamespace(options_form=""),
        all_spawners=lambda **_: [],
    )
    return environment.get_template(f"{name}.html").render(
        workbench_title=title,
        user=user,
        parsed_scopes={"admin-ui": {}},
        base_url="/jupyter/hub/",
        logout_url="/jupyter/hub/logout",
        login_url="/jupyter/hub/login",
        authenticator_login_url="/jupyter/hub/login?next=",
        authenticator=SimpleNamespace(request_otp=False),
        xsrf="token",
        username='"><b>',
        static_url=lambda path, **_: f"/jupyter/hub/static/{path}",
        progress_url="/jupyter/hub/api/users/ada/server/progress?_xsrf=a&b",
        default_server=SimpleNamespace(active=False),
        allow_named_servers=True,
        named_server_limit_per_user=1,
        status_code=404,
    )


def own_page(name: str) -> str:
    return render(
        f"{name}.j2",
        title=TITLE,
        services=[HUB],
        host_name="bench.example",
        notice="",
        contact="",
        contact_link=None,
        named=True,
        path="/shiny/",
        idle_seconds=600,
        text="",
        chapters=[],
        facts={"Memory": "<b>4</b>"},
    )


OWN = ["proxy/index.html", "proxy/guide.html", "proxy/missing.html", "shiny/index.html"]
ALL: dict[str, Callable[[], str]] = {
    **{name: partial(own_page, name) for name in (*OWN, *(f"proxy/{one}" for one in proxy.TROUBLE))},
    **{f"hub/{name}": partial(hub_page, name) for name in HUB_PAGES if name not in ("page", "workbench")},
}


@pytest.fixture(autouse=True)
def title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "title").write_text(TITLE)
    monkeypatch.setattr(pages, "TITLE", tmp_path / "title")


@pytest.mark.parametrize("name", [*ALL, "host"])
def test_every_page_has_the_title_as_text_and_a_way_to_the_front_page(name: str) -> None:
    text = pages.page("No <app>", "It & that.") if name == "host" else ALL[name]()
    found = BeautifulSoup(text, "html.parser")
    assert found.title.text.strip().endswith(TITLE)
    shown = found.select_one("h1" if name == "proxy/index.html" else ".brand span")
    assert shown.text == TITLE
    assert "alert(1)" not in "".join(script.text for script in found.select("script"))
    assert name == "proxy/index.html" or len(found.select('a[href="/"]')) >= 2 or name == "hub/admin"
    assert found.select_one('meta[name="color-scheme"]')["content"] == "light dark"
    assert "width=device-width" in found.select_one('meta[name="viewport"]')["content"]
    assert found.select('link[href="/site.css"]')
    assert len(found.select("h1")) >= 1


def test_rstudios_sign_in_page_is_given_the_title_without_what_is_a_variable_of_its_own() -> None:
    text = render("rstudio/login.html.j2", title_html=rstudio.title_html(TITLE))
    assert "#" not in text
    found = BeautifulSoup(text, "html.parser")
    assert found.strong.text == TITLE
    assert found.select("script") == []
    assert [link["href"] for link in found.select("a")] == ["/", "/guide/"]


@pytest.mark.parametrize("name", ["login", "logout", "spawn", "stop_pending", "not_running", "error"])
def test_what_needs_no_javascript_has_none_but_that_of_notices(name: str) -> None:
    scripts = BeautifulSoup(hub_page(name), "html.parser").select("script")
    assert [script.get("src") for script in scripts] == ["/notice.js"]


def test_the_login_keeps_a_name_that_was_typed_as_text_and_has_its_token() -> None:
    form = BeautifulSoup(hub_page("login"), "html.parser").form
    assert form.select_one("#username_input")["value"] == '"><b>'
    assert form.select_one("[name=_xsrf]")["value"] == "token"
    assert form["method"] == "post"


def test_a_program_of_a_host_that_is_not_configured_yet_has_the_default_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TITLE", tmp_path / "none")
    assert BeautifulSoup(pages.page("a", "b"), "html.parser").title.text == "a - Workbench"


def colours(scheme: int) -> dict[str, str]:
    """The variables of site.css: 0 light, 1 dark; what dark does not say is as in light."""
    blocks = re.findall(r":root \{(.*?)\}", (TEMPLATES / "proxy/site.css").read_text(), re.DOTALL)
    found = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block)) for block in blocks]
    return found[0] if scheme == 0 else {**found[0], **found[1]}


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_stands_out_from_what_it_is_on_as_wcag_aa_asks(scheme: int) -> None:
    """4.5:1 for text (WCAG 2.2, success criterion 1.4.3)."""
    found = colours(scheme)
    on = {
        "ground": ("ink", "quiet", "accent", "down", "up", "starting"),
        "card": ("ink", "quiet", "accent", "down", "up", "starting"),
        "badge": ("accent", "ink"),
        "accent": ("on-accent",),
    }
    for behind, texts in on.items():
        for text in texts:
            lighter, darker = sorted((luminance(found[behind]), luminance(found[text])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (behind, text)


def test_the_guide_leads_nowhere_that_is_not_on_the_host() -> None:
    text, chapters = guide.rendered(guide.SOURCE.read_text())
    found = BeautifulSoup(text, "html.parser")
    anchors = [heading["id"] for heading in found.select("h2")]
    assert anchors == [chapter.anchor for chapter in chapters]
    assert len(set(anchors)) == len(anchors) > 5
    assert found.select("h1, script, img") == []
    leads = {link["href"] for link in found.select("a")}
    assert {link for link in leads if not link.startswith(("https://", "#"))} == set()
    assert {link[1:] for link in leads if link.startswith("#")} <= set(anchors)


def test_the_guide_takes_no_markup_in_its_source() -> None:
    text, chapters = guide.rendered(
        "# Guide\n\n## A & b?\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n"
    )
    assert [(one.title, one.anchor) for one in chapters] == [("A & b?", "a-b")]
    assert BeautifulSoup(text, "html.parser").select("script, a") == []
