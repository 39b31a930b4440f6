"""What the administrator tells everybody, where people are: in Chromium, in JupyterLab's terminals and over SSH.

And who they are, as `workbench status` has it.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Locator, Page, expect

from lab.visitor import Visitor
from tests.e2e.attacks.people import visiting
from tests.e2e.pages import SCREENSHOTS, console_of, errors_in
from tests.e2e.test_browser_notebooks import SPAWN_TIMEOUT, open_lab
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks
from workbench.host import program_path
from workbench_host.activity import Person

pytestmark = pytest.mark.lab

NOTICE = program_path("notice")
SECONDS = 10  # in which everybody is to have it
TEXT = 'Back at six: save <b>now</b> & "go"'


class Login:
    """A shell of grace's over SSH, with a terminal, and all that it has shown."""

    def __init__(self, workbench: Workbench) -> None:
        facts = workbench.outputs
        command = [*stacks.ssh_command(facts)[:-1], "-tt", f"grace@{facts.address}"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.shown = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        while found := self.process.stdout.read1():
            self.shown += found

    def shows(self, text: str, until: float) -> None:
        while text.encode() not in self.shown:
            assert time.monotonic() < until, self.shown
            time.sleep(0.05)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def shell(workbench: Workbench) -> Iterator[Login]:
    login = Login(workbench)
    login.shows("$ ", time.monotonic() + 20)
    yield login
    login.end()


@pytest.fixture
def grace(workbench: Workbench) -> Iterator[Visitor]:
    with visiting(workbench, "grace") as visitor:
        yield visitor


def covers_nothing(notice: Locator, below: Locator) -> bool:
    banner, next_one = notice.bounding_box(), below.bounding_box()
    assert banner
    assert next_one
    return 0 <= next_one["y"] - banner["y"] - banner["height"] < 2


def test_a_notice_reaches_everybody_within_ten_seconds_and_is_taken_back(
    page: Page, workbench: Workbench, grace: Visitor, shell: Login
) -> None:
    said = console_of(page)
    open_lab(page, workbench)
    page.locator(".jp-LauncherCard").first.wait_for(timeout=SPAWN_TIMEOUT)
    menu = page.locator("#jp-top-panel")
    before = menu.bounding_box()
    pages = [page]
    for path in (
        "",
        "jupyter/hub/home",
        "nothing/is/here",
    ):  # the last is shown in the place of what is missing
        pages.append(page.context.new_page())
        pages[-1].goto(f"{workbench.url}{path}")
    notices = [one.locator("[data-notices] .workbench-notice") for one in pages]
    with ThreadPoolExecutor(1) as pool:
        typing = pool.submit(grace.type_in_terminal, "echo rea'dy'", f"administrator: {TEXT}", 60)
        shown = workbench.command("notice", TEXT).stdout
        until = time.monotonic() + SECONDS
        assert f"To be seen: {TEXT}" in shown
        assert re.search(r"\d+ open terminals? w", shown)
        for one, found in zip(pages, notices, strict=True):
            one.bring_to_front()
            expect(found).to_have_count(1, timeout=max(1.0, (until - time.monotonic()) * 1000))
            expect(found).to_contain_text(TEXT)  # as text: there is no <b>
            expect(found).to_be_visible()
        assert typing.result(timeout=max(1.0, until - time.monotonic()))
        shell.shows(f"Notice from the administrator: {TEXT}", until)
    page.bring_to_front()
    until = time.monotonic() + 5
    while not covers_nothing(notices[0], menu):  # pages in the background are not laid out
        assert time.monotonic() < until
        page.wait_for_timeout(100)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "notice.png")
    page.get_by_label("Close this notice").click()
    expect(notices[0]).to_have_count(0)
    workbench.ssh(f"{NOTICE} set 'Back at seven'")
    expect(notices[0]).to_contain_text("Back at seven", timeout=SECONDS * 1000)
    workbench.command("notice", "--clear")
    until = time.monotonic() + SECONDS
    for one, found in zip(pages, notices, strict=True):
        one.bring_to_front()
        expect(found).to_have_count(0, timeout=max(1.0, (until - time.monotonic()) * 1000))
    shell.shows("The administrator took a notice back: Back at seven", until)
    page.bring_to_front()
    page.wait_for_timeout(500)
    assert menu.bounding_box() == before
    assert errors_in(said) == []


WAIT = """import os, time
while not os.path.exists('go'):
    time.sleep(0.2)
os.remove('go')"""


def people(workbench: Workbench) -> dict[str, Person]:
    asked = workbench.ssh(f"{program_path('activity')} --json").stdout
    return {one["user"]: Person(**one) for one in json.loads(asked)["people"]}


def test_who_is_at_work_and_who_computes_is_told(workbench: Workbench, grace: Visitor, shell: Login) -> None:
    with ThreadPoolExecutor(1) as pool:
        # A kernel that is busy and uses next to no processor: only its server can say so.
        sleeping = pool.submit(grace.run_code, WAIT)
        until = time.monotonic() + 20
        while not ((found := people(workbench).get("grace")) and found.computing and found.kernels):
            assert time.monotonic() < until, found
        assert (found.kernels, found.rstudio) == (1, 0)
        assert found.logins >= 1  # the shell; terminals of other tests may be there as well
        assert re.search(r"grace: \d+ logins?, 1 kernel, computing", workbench.command("status").stdout)
        workbench.ssh("runuser -u grace touch /home/grace/go")
        sleeping.result()
    until = time.monotonic() + 15
    while (found := people(workbench)["grace"]).computing:
        assert time.monotonic() < until, found
    logins = found.logins
    shell.end()
    until = time.monotonic() + 10
    while (left := people(workbench)["grace"]).logins != logins - 1:
        assert time.monotonic() < until, left
