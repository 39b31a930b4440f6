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

import httpx
import pytest
from playwright.sync_api import Page, expect

from lab.visitor import Visitor
from tests.e2e.attacks.people import visiting
from tests.e2e.pages import SCREENSHOTS, console_of, errors_in
from tests.e2e.test_browser_notebooks import SPAWN_TIMEOUT, open_lab
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks
from workbench_host.activity import Person

pytestmark = pytest.mark.lab

SECONDS = 10  # in which everybody is to have it
TEXT = 'Back at six: save <b>now</b> & "go"'
COURSE = "Course on Friday"


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


def told(workbench: Workbench, visitor: Visitor) -> list[str]:
    """What pages are told."""
    answer = httpx.get(f"{workbench.url}notice.json", verify=visitor.tls)
    assert answer.headers["Cache-Control"] == "no-store"
    found: list[str] = answer.json()["notices"]
    return found


def test_a_notice_reaches_everybody_within_ten_seconds_and_is_taken_back(
    page: Page, workbench: Workbench, grace: Visitor, shell: Login
) -> None:
    said = console_of(page)
    open_lab(page, workbench)
    page.locator(".jp-LauncherCard").first.wait_for(timeout=SPAWN_TIMEOUT)
    menu = page.locator("#jp-top-panel")
    before = menu.bounding_box()
    landing, hub = page.context.new_page(), page.context.new_page()
    landing.goto(workbench.url)
    hub.goto(f"{workbench.url}jupyter/hub/home")
    pages = (page, landing, hub)
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
    banner, after = notices[0].bounding_box(), menu.bounding_box()
    assert before and after and banner  # noqa: PT018 - for mypy
    assert banner["y"] + banner["height"] <= after["y"] + 1  # it covers nothing
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "notice.png")
    page.get_by_label("Close this notice").click()
    expect(notices[0]).to_have_count(0)
    workbench.command("notice", "Back at seven")
    expect(notices[0]).to_contain_text("Back at seven", timeout=SECONDS * 1000)
    workbench.command("notice", "--clear")
    until = time.monotonic() + SECONDS
    for one, found in zip(pages, notices, strict=True):
        one.bring_to_front()
        expect(found).to_have_count(0, timeout=max(1.0, (until - time.monotonic()) * 1000))
    shell.shows("The administrator took a notice back: Back at seven", until)
    page.bring_to_front()
    page.wait_for_timeout(200)
    assert menu.bounding_box() == before
    assert errors_in(said) == []


def test_a_notice_stays_through_a_deploy_and_a_restart_of_the_hub_beside_that_of_the_settings(
    workbench: Workbench, grace: Visitor
) -> None:
    workbench.command("notice", TEXT)
    try:
        with workbench.settings(services={"proxy": {"notice": COURSE}}) as applied:
            assert applied.status == 0, applied.output
            assert told(workbench, grace) == [TEXT, COURSE]
            would = json.loads(workbench.command("deploy", "--dry-run", "--json").stdout)["would"]
            assert would == []
            workbench.ssh("systemctl restart jupyterhub")
            assert told(workbench, grace) == [TEXT, COURSE]
            new = workbench.ssh("runuser -l grace -c 'bash -lic true' 2>&1").stdout
            assert f"Notice from the administrator: {TEXT}\nNotice from the administrator: {COURSE}\n" in new
            # What a restart of the server leaves: /run is empty then, and the unit runs before Caddy.
            workbench.ssh("rm /run/workbench/notice*; systemctl restart workbench-notice")
            assert told(workbench, grace) == [COURSE]
    finally:
        workbench.command("notice", "--clear")
    assert told(workbench, grace) == []


def people(workbench: Workbench) -> dict[str, Person]:
    asked = workbench.ssh("/usr/local/lib/workbench/host/bin/activity --json").stdout
    return {one["user"]: Person(**one) for one in json.loads(asked)["people"]}


def test_who_is_at_work_and_who_computes_is_told(workbench: Workbench, grace: Visitor, shell: Login) -> None:
    with ThreadPoolExecutor(1) as pool:
        # A kernel that is busy and uses no processor: only its server can say so.
        sleeping = pool.submit(grace.run_code, "import time; time.sleep(12)")
        until = time.monotonic() + 10
        while not ((found := people(workbench).get("grace")) and found.computing and found.kernels):
            assert time.monotonic() < until, found
        assert (found.kernels, found.rstudio) == (1, 0)
        assert found.logins >= 1  # the shell; terminals of other tests may be there as well
        assert re.search(r"grace: \d+ logins?, 1 kernel, computing", workbench.command("status").stdout)
        sleeping.result()
    until = time.monotonic() + 15
    while (found := people(workbench)["grace"]).computing:
        assert time.monotonic() < until, found
    logins = found.logins
    shell.end()
    until = time.monotonic() + 10
    while (left := people(workbench)["grace"]).logins != logins - 1:
        assert time.monotonic() < until, left
