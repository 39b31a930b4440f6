"""A home without room, in Chromium: its user gets a server all the same, and makes room by deleting a folder.

This machine's kernel has no quotas. In their place stand a home and a folder for temporary files of a few MiB each
(tmpfs), with not a byte left: writing is refused with another number (ENOSPC, not EDQUOT), at the same calls.
"""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from lab.visitor import Visitor
from tests.e2e.pages import log_in
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab
SPAWN_TIMEOUT = 90_000  # ms; as in test_browser_notebooks.py
PLACES = ("/home/ada", "/srv/workbench/tmp/ada")
FILL = "mkdir -p full/inner && (dd if=/dev/zero of=full/inner/data bs=4k; dd if=/dev/zero of=full/more bs=1; true)"


def end_server(workbench: Workbench) -> None:
    """Ends ada's server by the hub, which else would lead her to one that is gone."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.stop_server()
    workbench.ssh("systemctl stop jupyter-ada-singleuser.service || true")


@pytest.fixture
def full(workbench: Workbench) -> Iterator[None]:
    """Ada has no room left anywhere, and no server runs."""
    end_server(workbench)
    owner = "uid=$(id -u ada),gid=$(id -g ada),mode=700"
    try:
        for place in PLACES:
            workbench.ssh(f"mount -t tmpfs -o size=2m,{owner} tmpfs {place}")
            workbench.ssh(f"runuser -u ada -- sh -c 'cd {place} && {FILL}'")
            assert (
                workbench.ssh(f"runuser -u ada -- sh -c 'echo x > {place}/more'", check=False).returncode != 0
            )
        yield
    finally:
        end_server(workbench)
        for place in PLACES:
            workbench.ssh(f"mountpoint -q {place} && umount --lazy {place}")


def test_a_user_without_room_gets_a_server_and_deletes_a_folder_with_all_that_is_in_it(
    page: Page, workbench: Workbench, full: None
) -> None:
    log_in(page, workbench, "ada", workbench.password("ada"))
    page.wait_for_url(re.compile(r"/jupyter/user/ada/lab"), timeout=SPAWN_TIMEOUT)
    folder = page.locator(".jp-DirListing-item", has_text=re.compile("^full"))
    folder.wait_for(timeout=SPAWN_TIMEOUT)
    folder.click(button="right")
    page.locator(".lm-Menu-item", has_text=re.compile("^Delete")).click()
    question = page.locator(".jp-Dialog")
    expect(question).to_contain_text(re.compile("permanently delete", re.IGNORECASE))
    question.get_by_role("button", name="Delete").click()
    expect(folder).to_have_count(0)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    until = time.monotonic() + 10
    while "full" in workbench.ssh("ls -A /home/ada").stdout.split():
        assert time.monotonic() < until
        time.sleep(0.2)
    kept = workbench.ssh("find /home/ada -path '*rash*'").stdout
    assert kept == ""  # no wastebasket, which would count for the quota
    workbench.ssh("runuser -u ada -- sh -c 'head -c 1M /dev/zero > /home/ada/room'")
