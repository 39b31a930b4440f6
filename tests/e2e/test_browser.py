"""What a person meets, in Chromium: the landing page, logging in, a server, a notebook's cell."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests import workbench_in_lab
from tests.workbench_in_lab import Workbench
from workbench.stack import ROOT

pytestmark = pytest.mark.lab
CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
SPAWN_TIMEOUT = 90_000  # ms; the first server of a user on two busy cores


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        workbench_in_lab.skip("there is no Chromium on this machine")
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


def test_the_landing_page_lists_the_services_with_their_state(page: Page, workbench: Workbench) -> None:
    said: list[ConsoleMessage] = []
    page.on("console", lambda message: said.append(message))
    page.goto(workbench.url)
    expect(page.get_by_text("JupyterHub").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"\bup\b", re.IGNORECASE)).first).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "landing.png")
    assert [message.text for message in said if message.type == "error"] == []


def test_the_landing_page_fits_a_phone(browser: Browser, workbench: Workbench) -> None:
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 375, "height": 667})
    page = context.new_page()
    page.goto(workbench.url)
    expect(page.get_by_text("JupyterHub").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.screenshot(path=SCREENSHOTS / "landing-phone.png")
    context.close()


def test_http_is_sent_on_to_https(page: Page, workbench: Workbench) -> None:
    page.goto(workbench.url.replace("https://", "http://"))
    assert page.url == workbench.url


def test_a_wrong_password_is_refused(page: Page, workbench: Workbench) -> None:
    log_in(page, workbench, "ada", "not her password")
    expect(page.get_by_text("Invalid username or password")).to_be_visible()


def test_somebody_unknown_is_refused(page: Page, workbench: Workbench) -> None:
    log_in(page, workbench, "root", workbench.password("ada"))
    expect(page.get_by_text("Invalid username or password")).to_be_visible()


def test_a_person_logs_in_and_computes_in_a_notebook(page: Page, workbench: Workbench) -> None:
    log_in(page, workbench, "ada", workbench.password("ada"))
    page.wait_for_url(re.compile(r"/jupyter/user/ada/lab"), timeout=SPAWN_TIMEOUT)
    page.goto(f"{workbench.url}jupyter/user/ada/lab?reset")  # without what an earlier visit left open
    card = page.locator(".jp-LauncherCard[data-category='Notebook']").first
    card.wait_for(timeout=SPAWN_TIMEOUT)
    card.click()
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.wait_for(timeout=SPAWN_TIMEOUT)
    expect(page.locator(".jp-NotebookPanel-toolbar").get_by_text(re.compile("Python 3"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"\| Idle"))).to_be_visible(timeout=SPAWN_TIMEOUT)
    cell.click()
    page.keyboard.type("5 * 4")
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-OutputArea-output pre").first
    expect(output).to_have_text(re.compile(r"^20\s*$"), timeout=SPAWN_TIMEOUT)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "notebook.png")
