"""What a person meets, in Chromium: the landing page, logging in, a server, a notebook's cell."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.deploy.test_shiny import make_app
from tests.workbench_in_lab import Workbench
from workbench.stack import ROOT

pytestmark = pytest.mark.lab
CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
TERMINAL_SECONDS = 30
UPLOAD_SECONDS = 240  # JupyterLab sends a MiB at a time
SPAWN_TIMEOUT = 90_000  # ms; the first server of a user on two busy cores


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Chromium has no option to trust one more CA for one run; the other tests verify the certificate.
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def log_in(page: Page, workbench: Workbench, user: str, password: str) -> None:
    page.goto(f"{workbench.url}jupyter/hub/login")
    page.fill("#username_input", user)
    page.fill("#password_input", password)
    page.click("#login_submit")


def console_of(page: Page) -> list[ConsoleMessage]:
    """What the page says in the browser's console, from now on."""
    said: list[ConsoleMessage] = []
    page.on("console", lambda message: said.append(message))
    return said


def errors_in(said: list[ConsoleMessage]) -> list[str]:
    """The errors among it, but for one that is of this machine: a network that came or went, such as another lab's."""
    errors = [message.text for message in said if message.type == "error"]
    return [text for text in errors if "net::ERR_NETWORK_CHANGED" not in text]


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


def open_lab(page: Page, workbench: Workbench) -> None:
    """JupyterLab of ada, without what an earlier visit left open."""
    log_in(page, workbench, "ada", workbench.password("ada"))
    page.wait_for_url(re.compile(r"/jupyter/user/ada/lab"), timeout=SPAWN_TIMEOUT)
    page.goto(f"{workbench.url}jupyter/user/ada/lab?reset")


@pytest.mark.parametrize(("kernel", "name"), [("Python 3", "notebook"), ("R", "notebook-r")])
def test_a_person_logs_in_and_computes_in_a_notebook(
    page: Page, workbench: Workbench, kernel: str, name: str
) -> None:
    open_lab(page, workbench)
    card = page.locator(f".jp-LauncherCard[data-category='Notebook'][title^='{kernel}']").first
    card.wait_for(timeout=SPAWN_TIMEOUT)
    card.click()
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.wait_for(timeout=SPAWN_TIMEOUT)
    labels = page.locator(".jp-NotebookPanel-toolbar .jp-ToolbarButtonComponent-label")
    expect(labels.filter(has_text=re.compile(f"^{kernel}"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"\| Idle"))).to_be_visible(timeout=SPAWN_TIMEOUT)
    cell.click()
    page.keyboard.type("5 * 4")
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-OutputArea-output").first
    expect(output).to_have_text(re.compile(r"^\s*20\s*$"), timeout=SPAWN_TIMEOUT)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


class Notebook:
    """A new notebook in an open JupyterLab, whose cells are run one after the other."""

    def __init__(self, page: Page, kernel: str) -> None:
        self.page = page
        page.locator(f".jp-LauncherCard[data-category='Notebook'][title^='{kernel}']").first.click()
        self.panel = page.locator(".jp-NotebookPanel:visible")
        self.wait_for_kernel(kernel)
        self.panel.locator(".jp-Cell .cm-content").first.click()

    def wait_for_kernel(self, kernel: str) -> None:
        """What the notebook is run in before its kernel answers is lost."""
        status = self.page.locator("#jp-main-statusbar").get_by_text(re.compile(rf"^{kernel}.*\| Idle"))
        expect(status).to_be_visible(timeout=SPAWN_TIMEOUT)

    def run(self, code: str) -> Locator:
        """Types code into the last cell and runs it; gives back that cell. The next one is made by JupyterLab."""
        cells = self.panel.locator(".jp-CodeCell")
        number = cells.count()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        expect(cells).to_have_count(number + 1)
        return cells.nth(number - 1)

    def output(self, code: str) -> Locator:
        """The output of the cell that this code is typed into and run in."""
        return self.run(code).locator(".jp-OutputArea-output").first

    def press(self, button: str) -> None:
        """A button of the notebook's toolbar, by JupyterLab's name of it."""
        self.panel.locator(f".jp-NotebookPanel-toolbar [data-jp-item-name='{button}'] jp-button").click()

    def typing_goes_on(self) -> None:
        """The toolbar has the keyboard after a click there."""
        self.panel.locator(".jp-CodeCell .cm-content").last.click()


@dataclass(frozen=True)
class Words:
    """What one language's cells say."""

    kernel: str
    remember: str
    sleep: str
    is_known: str
    yes: str
    no: str


PYTHON = Words(
    "Python 3", "x = 7", "import time; print('asleep'); time.sleep(600)", "'x' in globals()", "True", "False"
)
R = Words("R", "x <- 7", "cat('asleep'); Sys.sleep(600)", "exists('x')", "TRUE", "FALSE")
WIDGET = """import ipywidgets
ipywidgets.interact(lambda n: print("is", 4 * n), n=ipywidgets.IntText(5));"""


def test_a_widget_answers_and_both_kernels_are_interrupted_and_restarted_without_an_error(
    page: Page, workbench: Workbench
) -> None:
    said = console_of(page)
    open_lab(page, workbench)
    for words in (PYTHON, R):
        notebook = Notebook(page, words.kernel)
        if words is PYTHON:
            cell = notebook.run(WIDGET)
            expect(cell.get_by_text("is 20")).to_be_visible(timeout=SPAWN_TIMEOUT)
            cell.locator("input[type=number]").fill("6")
            cell.locator("input[type=number]").press("Enter")
            expect(cell.get_by_text("is 24")).to_be_visible(timeout=SPAWN_TIMEOUT)
            notebook.typing_goes_on()
        notebook.run(words.remember)
        sleeping = notebook.run(words.sleep)
        # What comes before it runs is not interrupted.
        expect(sleeping.locator(".jp-OutputArea-output").first).to_have_text(
            re.compile("asleep"), timeout=SPAWN_TIMEOUT
        )
        expect(sleeping.locator(".jp-InputPrompt")).to_have_text("[*]:")
        notebook.press("interrupt")
        expect(sleeping.locator(".jp-InputPrompt")).not_to_have_text("[*]:", timeout=SPAWN_TIMEOUT)
        notebook.typing_goes_on()
        known = notebook.output(words.is_known)
        expect(known).to_have_text(re.compile(rf"^\s*{words.yes}\s*$"), timeout=SPAWN_TIMEOUT)
        notebook.press("restart")
        page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
        notebook.wait_for_kernel(words.kernel)
        notebook.typing_goes_on()
        forgotten = notebook.output(words.is_known)
        expect(forgotten).to_have_text(re.compile(rf"^\s*{words.no}\s*$"), timeout=SPAWN_TIMEOUT)
        page.get_by_title("New Launcher", exact=True).click()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "kernels.png")
    assert errors_in(said) == []


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


@pytest.fixture(scope="module")
def decorated(workbench: Workbench) -> Iterator[Workbench]:
    """The workbench with all that its landing page can show, and Shiny apps of ada's."""
    services = {"proxy": {"notice": NOTICE, "contact": "ada@example.org"}}
    with workbench.settings(services=services) as applied:
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
    page.goto(decorated.url)
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


def test_a_shiny_app_computes_and_cannot_act_as_its_visitor(page: Page, decorated: Workbench) -> None:
    page.goto(f"{decorated.url}shiny/ada/times/")
    expect(page.locator("#product")).to_have_text("is 20", timeout=60_000)
    page.fill("#n", "6")
    expect(page.locator("#product")).to_have_text("is 24")  # over the websocket
    reach = "fetch('/jupyter/hub/login').then(() => 'reached', () => 'kept apart')"
    assert page.evaluate(reach) == "kept apart"


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


@pytest.mark.long
def test_a_person_uploads_500_mb_and_finds_it_in_a_terminal_without_an_error(
    page: Page, workbench: Workbench, tmp_path: Path
) -> None:
    said = console_of(page)
    open_lab(page, workbench)
    size = 500 * 1000**2
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(size)
    page.locator(".jp-LauncherCard").first.wait_for(timeout=SPAWN_TIMEOUT)
    with page.expect_file_chooser() as chooser:
        page.locator(".jp-FileBrowser-toolbar [data-jp-item-name='uploader'] jp-button").click()
    chooser.value.set_files(tmp_path / "big.bin")
    page.locator(".jp-Dialog").get_by_role("button", name="Upload").click()  # it warns of large files
    until = time.monotonic() + UPLOAD_SECONDS
    while workbench.ssh("stat -c %s /home/ada/big.bin || true").stdout.strip() != str(size):
        assert time.monotonic() < until
        page.wait_for_timeout(1000)
    page.locator(".jp-LauncherCard", has_text="Terminal").click()
    terminal = page.locator(".jp-Terminal .xterm-helper-textarea")
    terminal.wait_for(state="attached")
    terminal.focus()
    # The terminal's screen is a canvas, which tells nothing.
    page.keyboard.type("stat -c %s big.bin > size && rm big.bin\n")
    until = time.monotonic() + TERMINAL_SECONDS
    while workbench.ssh("cat /home/ada/size && rm /home/ada/size", check=False).stdout.strip() != str(size):
        assert time.monotonic() < until
        page.wait_for_timeout(500)
    assert errors_in(said) == []
