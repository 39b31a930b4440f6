"""What tests in a browser share: a login, what the console says, where screenshots go."""

from playwright.sync_api import ConsoleMessage, Page

from tests.workbench_in_lab import Workbench
from workbench.stack import ROOT

SCREENSHOTS = ROOT / ".cache" / "screenshots"


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
