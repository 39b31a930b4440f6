"""What a person does in JupyterLab, in Chromium: a server, notebooks' cells, an upload, a terminal."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.pages import SCREENSHOTS, console_of, errors_in, log_in
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab
TERMINAL_SECONDS = 30
UPLOAD_SECONDS = 240  # JupyterLab sends a MiB at a time
SPAWN_TIMEOUT = 90_000  # ms; the first server of a user on two busy cores


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


def upload_to_a_widget(notebook: Notebook) -> None:
    """A file of 12 MB, which is one message from the browser; above the library's limit it is lost without a word."""
    cell = notebook.run("upload = ipywidgets.FileUpload()\nupload")
    file = {"name": "a.bin", "mimeType": "application/octet-stream", "buffer": bytes(12 * 1000**2)}
    button = cell.locator("button.widget-upload")
    with notebook.page.expect_file_chooser(timeout=SPAWN_TIMEOUT) as chosen:
        button.click(timeout=SPAWN_TIMEOUT)
    chosen.value.set_files(files=[file])
    expect(button).to_have_text(re.compile(r"\(1\)"), timeout=SPAWN_TIMEOUT)
    notebook.typing_goes_on()
    size = notebook.output("upload.value[0].size, len(upload.value[0].content)")
    expect(size).to_have_text("(12000000, 12000000)", timeout=SPAWN_TIMEOUT)


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
            upload_to_a_widget(notebook)
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


# What README shows: copied there by hand (docs/tests.md), so that a test changes no file of the checkout.
PLOT = """import matplotlib.pyplot as plt, numpy as np
x = np.linspace(0, 10, 500)
for k in range(1, 6):
    plt.plot(x, np.sin(x * k) / k, label=f"{k} waves")
plt.legend(); plt.title("Five waves"); plt.show()"""


def look_at_the_guide(page: Page, workbench: Workbench) -> None:
    """The users' guide, which JupyterLab's Help opens in a tab of its own."""
    page.get_by_role("menuitem", name="Help", exact=True).click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Workbench Guide").click()
    guide = opened.value
    guide.wait_for_load_state()
    assert guide.url == f"{workbench.url}guide/"
    expect(guide.get_by_role("heading", name="Packages and environments")).to_be_visible()
    guide.screenshot(path=SCREENSHOTS / "guide-dark.png")
    guide.close()


def test_jupyterlab_follows_the_systems_dark_mode_has_logos_the_guide_in_help_and_shows_plots(
    browser: Browser, workbench: Workbench
) -> None:
    context = browser.new_context(
        ignore_https_errors=True, color_scheme="dark", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    answers: dict[str, int] = {}
    page.on("response", lambda answer: answers.update({answer.url: answer.status}))
    open_lab(page, workbench)
    cards = page.locator(".jp-LauncherCard[data-category='Notebook']")
    cards.first.wait_for(timeout=SPAWN_TIMEOUT)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    expect(cards.locator("img.jp-Launcher-kernelIcon")).to_have_count(cards.count())
    whole = "all => all.every(one => one.complete && one.naturalWidth > 0)"
    page.wait_for_function(f"({whole})([...document.querySelectorAll('img.jp-Launcher-kernelIcon')])")
    logos = {url: status for url, status in answers.items() if "/kernelspecs/" in url}
    assert len(logos) >= 2
    assert set(logos.values()) == {200}
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    look_at_the_guide(page, workbench)
    page.screenshot(path=SCREENSHOTS / "lab-dark.png")
    page.emulate_media(color_scheme="light")  # while it is open
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true")
    notebook = Notebook(page, "Python 3")
    cell = notebook.run(PLOT)
    plot = cell.locator(".jp-OutputArea-output img")
    expect(plot).to_be_visible(timeout=SPAWN_TIMEOUT)
    assert plot.evaluate("one => one.naturalWidth") > 300
    notebook.wait_for_kernel("Python 3")
    page.locator("#jp-top-panel").click()  # no menu and no cell is in the way of the picture
    page.screenshot(path=SCREENSHOTS / "plot.png")
    context.close()


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
