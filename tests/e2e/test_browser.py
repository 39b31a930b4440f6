"""What a person meets, in Chromium: the landing page, logging in, apps of others."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.programs import LINK
from tests.deploy.test_shiny import make_app
from tests.e2e.pages import SCREENSHOTS, console_of, errors_in, log_in
from tests.workbench_in_lab import Workbench
from workbench.host import program_path

pytestmark = pytest.mark.lab


def test_the_landing_page_lists_the_services_with_their_state(page: Page, workbench: Workbench) -> None:
    said = console_of(page)
    page.goto(workbench.url)
    expect(page.get_by_text("JupyterHub").first).to_be_visible()
    # An earlier test may have restarted it just now; what the page says is up to 15 s old.
    expect(page.get_by_text(re.compile(r"\bup\b", re.IGNORECASE)).first).to_be_visible(timeout=60_000)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "landing.png")
    assert errors_in(said) == []


def test_http_is_sent_on_to_https(page: Page, workbench: Workbench) -> None:
    page.goto(workbench.url.replace("https://", "http://"))
    assert page.url == workbench.url


def test_a_wrong_password_is_refused(page: Page, workbench: Workbench) -> None:
    log_in(page, workbench, "ada", "not her password")
    expect(page.get_by_text("Invalid username or password")).to_be_visible()


def test_somebody_unknown_is_refused(page: Page, workbench: Workbench) -> None:
    log_in(page, workbench, "root", workbench.password("ada"))
    expect(page.get_by_text("Invalid username or password")).to_be_visible()


SHINY = """library(shiny)
shinyApp(fluidPage(numericInput("n", "n", 5), textOutput("product")), function(input, output) {
  output$product <- renderText(paste("is", 4 * input$n))
})
"""
# An app whose page asks things of itself: an upload, a table that the server gives out in parts, a font of icons.
ASKING = """library(shiny)
ui <- fluidPage(icon("cat"), fileInput("file", "file"), textOutput("size"), DT::DTOutput("table"))
shinyApp(ui, function(input, output) {
  output$size <- renderText({ req(input$file); paste("of", file.size(input$file$datapath)) })
  output$table <- DT::renderDT(data.frame(n = seq_len(5000)), server = TRUE)
})
"""
NOTICE = "Maintenance on Friday from 18:00: save your notebooks."
TITLE = "Bench of R & <script>alert(1)</script> {{ 7*7 }}"
PLAIN = "Ada's bench"  # in the README's picture


STARTS = "systemctl show --value -p ActiveEnterTimestamp jupyterhub jupyterhub-proxy caddy workbench-apps"


@pytest.fixture(scope="module")
def starts(workbench: Workbench) -> str:
    """When what people are connected by was started, before the landing page got what it can show."""
    return workbench.ssh(STARTS).stdout


@pytest.fixture(scope="module")
def decorated(workbench: Workbench, starts: str) -> Iterator[Workbench]:
    """The workbench with all that its landing page can show, and Shiny apps of ada's."""
    services = {"proxy": {"notice": NOTICE, "contact": "ada@example.org"}}
    with workbench.settings(title=TITLE, services=services) as applied:
        assert applied.status == 0, applied.output
        for name, text in {"times": SHINY, "asking": ASKING}.items():
            make_app(workbench, "ada", name, text)
        yield workbench
    workbench.ssh("rm -rf /home/ada/ShinyApps")


def test_the_landing_page_is_whole_on_a_phone(browser: Browser, decorated: Workbench) -> None:
    context = browser.new_context(
        ignore_https_errors=True,
        viewport={"width": 375, "height": 667},
        device_scale_factor=2,
        is_mobile=True,
    )
    page = context.new_page()
    said = console_of(page)
    decorated.apply({"title": PLAIN}).require()
    page.goto(decorated.url)
    expect(page.get_by_role("heading", name=PLAIN)).to_be_visible()
    expect(page.get_by_text(NOTICE)).to_be_visible()
    expect(page.get_by_role("link", name="ada@example.org")).to_have_attribute(
        "href", "mailto:ada@example.org"
    )
    for service in ("jupyterhub", "shiny"):
        card = page.locator(f"[data-service={service}]")
        expect(card.locator(".state")).to_have_text("Up", timeout=60_000)
        box = card.bounding_box()
        assert box
        assert box["width"] > 300
        assert box["height"] >= 48  # a finger finds it
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "landing-phone.png")
    assert errors_in(said) == []
    context.close()
    decorated.apply({"title": TITLE}).require()


GROUNDS = {"light": "rgb(244, 246, 245)", "dark": "rgb(20, 25, 23)"}  # --ground of site.css
PUBLIC = ("", "guide/", "jupyter/hub/login", "jupyter/hub/nothing-here", "nothing-here", "shiny/ada/none/")
OWN = ("jupyter/hub/home", "jupyter/hub/token", "jupyter/hub/admin")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_pages_are_of_one_look_by_the_systems_scheme_also_on_a_phone(
    browser: Browser, decorated: Workbench, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        ignore_https_errors=True, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))

    def look_at(path: str, title: str = TITLE) -> None:
        page.goto(f"{decorated.url}{path}", wait_until="networkidle")
        assert title in page.title()
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == GROUNDS[scheme]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if path:
            expect(page.locator("a.brand")).to_have_text(TITLE)
            expect(page.locator("a.brand")).to_have_attribute("href", "/")
        name = path.strip("/").replace("/", "-") or "landing"
        page.screenshot(path=SCREENSHOTS / f"page-{name}-{scheme}-{width}.png")

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for path in PUBLIC:
        look_at(path)
    log_in(page, decorated, "ada", decorated.password("ada"))
    for path in OWN:
        look_at(path)
    assert alerts == []
    context.close()


def test_another_title_starts_no_hub_anew_and_cuts_nobody_off(decorated: Workbench, starts: str) -> None:
    assert decorated.ssh("cat /etc/workbench/title").stdout == TITLE
    assert decorated.ssh(STARTS).stdout == starts


def test_a_notice_of_the_moment_stands_beside_that_of_the_settings_and_outlives_all_but_a_restart(
    page: Page, decorated: Workbench
) -> None:
    notice = program_path("notice")

    def told() -> list[str]:
        found: list[str] = page.evaluate("fetch('/notice.json').then(it => it.json()).then(it => it.notices)")
        return found

    page.goto(decorated.url)
    decorated.ssh(f"{notice} set 'Back at six'")
    try:
        expect(page.locator("[data-notices] p")).to_have_text(["Back at six", NOTICE], timeout=10_000)
        would = json.loads(decorated.command("deploy", "--dry-run", "--json").stdout)["would"]
        assert would == []
        decorated.ssh("systemctl restart jupyterhub workbench-notice")
        assert told() == ["Back at six", NOTICE]
        new = decorated.ssh("runuser -l grace -c 'bash -lic true' 2>&1").stdout
        assert [line.partition(": ")[2] for line in new.splitlines() if "administrator" in line] == told()
        # What a restart of the server leaves: /run is empty then, and the unit runs before Caddy.
        decorated.ssh("rm /run/workbench/notice*; systemctl restart workbench-notice")
        assert told() == [NOTICE]
    finally:
        decorated.ssh(f"{notice} clear")


def test_a_shiny_app_computes_and_cannot_act_as_its_visitor(page: Page, decorated: Workbench) -> None:
    page.goto(f"{decorated.url}shiny/ada/times/")
    expect(page.locator("#product")).to_have_text("is 20", timeout=60_000)
    page.fill("#n", "6")
    expect(page.locator("#product")).to_have_text("is 24")  # over the websocket
    reach = "fetch('/jupyter/hub/login').then(() => 'reached', () => 'kept apart')"
    assert page.evaluate(reach) == "kept apart"


def test_the_front_page_lists_apps_whose_owners_say_so_and_starts_none_for_it(
    page: Page, decorated: Workbench
) -> None:
    """The owner's own program says so, once it runs: here after a visit; what it says is text."""
    said = 'printf "Tables of <i>five</i>\\n" > ~/ShinyApps/times/listed.txt'
    decorated.ssh("systemctl stop 'workbench-apps@*.service'")
    decorated.ssh(f"runuser -l ada -c {shlex.quote(said)}")
    page.goto(decorated.url)
    expect(page.locator("[data-apps]")).to_be_hidden()
    running = "systemctl list-units --quiet --plain --no-legend 'workbench-apps@*.service' | wc -l"
    assert decorated.ssh(running).stdout.strip() == "0"
    page.goto(f"{decorated.url}shiny/ada/times/")
    expect(page.locator("#product")).to_have_text("is 20", timeout=60_000)
    page.goto(decorated.url)
    listed = page.locator("[data-apps] li")
    expect(listed).to_have_text(["Tables of <i>five</i> of ada"])
    assert listed.locator("a").get_attribute("href") == "/shiny/ada/times/"
    page.screenshot(path=SCREENSHOTS / "landing-apps.png")
    # Whose programs say it, is whose apps they are: grace cannot list one of ada's, nor take it out.
    code = (
        "from workbench_host.apps import listing; "
        "print(listing.tell([listing.Shown('shiny', 'times', 'Mine')]), listing.tell([]))"
    )
    decorated.ssh(f"cd {LINK} && runuser -u grace -- python3 -c {shlex.quote(code)}")
    page.reload()
    expect(listed.locator("a[href='/shiny/ada/times/']")).to_have_text("Tables of <i>five</i>")


def test_c27_an_app_takes_a_file_shows_a_table_and_icons_without_an_error(
    page: Page, decorated: Workbench, tmp_path: Path
) -> None:
    said = console_of(page)
    page.goto(f"{decorated.url}shiny/ada/asking/")
    expect(page.locator("#table .dataTables_info")).to_contain_text("5,000 entries", timeout=60_000)
    page.locator("#table .paginate_button", has_text="500").click()
    expect(page.locator("#table tbody tr").first).to_contain_text("4991")
    (tmp_path / "file.bin").write_bytes(bytes(3_141_592))
    page.set_input_files("#file", tmp_path / "file.bin")
    expect(page.locator("#size")).to_have_text("of 3141592", timeout=30_000)
    faces = (
        "document.fonts.ready.then(() => [...document.fonts].filter(one => one.status == 'loaded').length)"
    )
    assert page.evaluate(faces) > 0
    assert errors_in(said) == []
