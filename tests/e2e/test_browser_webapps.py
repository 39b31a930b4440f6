"""Trials of web apps in Chromium: Streamlit, FastAPI and Dash from PyPI, reached by their user, refused to another."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.visitor import Visitor
from tests.e2e.pages import SCREENSHOTS, console_of, errors_in, log_in
from tests.e2e.webapps import until_it_answers
from tests.workbench_in_lab import Workbench

pytestmark = [pytest.mark.lab, pytest.mark.long]  # most of it is to install them

STREAMLIT, FASTAPI, DASH = 18701, 18702, 18703
TIMEOUT = 60_000  # ms; Streamlit's first page on two busy cores
FILES = {
    "trial_streamlit.py": """
import pandas, streamlit
streamlit.title("A trial of Streamlit")
number = streamlit.number_input("number", value=3)
streamlit.write("six times that is", 6 * number)
table = pandas.DataFrame({"times": range(1, 7), "is": [number * n for n in range(1, 7)]})
streamlit.bar_chart(table, x="times", y="is")
""",
    "trial_fastapi.py": """
from fastapi import FastAPI
app = FastAPI()
@app.get("/times/{number}")
def times(number: int) -> dict[str, int]:
    return {"six times that is": 6 * number}
""",
    "trial_dash.py": """
from dash import Dash, Input, Output, callback, dcc, html
app = Dash()
app.layout = html.Div([dcc.Input(id="number", value=3, type="number"), html.P(id="said")])
@callback(Output("said", "children"), Input("number", "value"))
def times(number): return f"six times that is {6 * (number or 0)}"
app.run()
""",
}
COMMANDS = {
    STREAMLIT: "streamlit run trial_streamlit.py",
    FASTAPI: "uvicorn trial_fastapi:app",
    DASH: "python trial_dash.py",
}


@pytest.fixture(scope="module")
def ada(workbench: Workbench) -> Iterator[Visitor]:
    """Ada, who has installed the three in an environment of her own and runs an app of each in her server."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        for name, text in FILES.items():
            visitor.write_file(name, text.encode())
        # Beside the workbench's own packages, so that it is quick.
        install = "python -m venv --system-site-packages trial && trial/bin/pip install -q"
        said = visitor.type_in_terminal(
            f"{install} streamlit fastapi uvicorn dash; echo end'ed'", "ended", 240
        )
        assert "ERROR" not in said, said
        for port, command in COMMANDS.items():
            visitor.type_in_terminal(
                f"PATH=$PWD/trial/bin:$PATH; workbench-app run --port {port} {command}", "for you alone"
            )
        for port in COMMANDS:
            until_it_answers(visitor, address(workbench, port), "<" if port != FASTAPI else "Not Found")
        yield visitor
        workbench.ssh(f"systemctl stop jupyter-ada-singleuser; cd ~ada && rm -rf trial {' '.join(FILES)}")


def address(workbench: Workbench, port: int, user: str = "ada") -> str:
    return f"{workbench.url}jupyter/user/{user}/proxy/{port}/"


def test_streamlit_and_dash_answer_what_their_user_types_and_fastapi_knows_its_place(
    page: Page, workbench: Workbench, ada: Visitor
) -> None:
    said = console_of(page)
    log_in(page, workbench, "ada", workbench.password("ada"))
    page.wait_for_url(re.compile("/jupyter/user/ada/lab"), timeout=TIMEOUT)
    page.goto(address(workbench, STREAMLIT))
    expect(page.get_by_text("six times that is 18")).to_be_visible(timeout=TIMEOUT)
    page.get_by_label("number").fill("7")
    page.get_by_label("number").press("Enter")
    expect(page.get_by_text("six times that is 42")).to_be_visible(timeout=TIMEOUT)
    expect(page.locator("canvas, svg.marks").first).to_be_visible(timeout=TIMEOUT)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "streamlit.png")
    page.goto(address(workbench, DASH))
    expect(page.get_by_text("six times that is 18")).to_be_visible(timeout=TIMEOUT)
    page.locator("#number").fill("7")
    expect(page.get_by_text("six times that is 42")).to_be_visible(timeout=TIMEOUT)
    page.goto(f"{address(workbench, FASTAPI)}times/7")
    expect(page.get_by_text('{"six times that is":42}')).to_be_visible()
    assert errors_in(said) == []
    # Its page of documentation takes its scripts from elsewhere, which cannot be reached in the lab.
    page.goto(f"{address(workbench, FASTAPI)}docs")
    described = re.search(r"url: '([^']+)'", page.content())
    assert described
    assert page.request.get(f"{workbench.url.rstrip('/')}{described[1]}").json()["paths"]


def test_another_user_is_refused_each_of_them_and_the_address_of_an_app_that_ended_says_so(
    browser: Browser, workbench: Workbench, ada: Visitor
) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    log_in(page, workbench, "grace", workbench.password("grace"))
    page.wait_for_url(re.compile("/jupyter/user/grace/lab"), timeout=TIMEOUT)
    for port in COMMANDS:
        page.goto(address(workbench, port))
        expect(page.get_by_text("somebody else's")).to_be_visible()
        # On her own server's address of that port there is nothing: it is ada's program that has the port.
        page.goto(address(workbench, port, "grace"))
        expect(page.get_by_text("No program of yours answers at this address")).to_be_visible()
    page.get_by_role("link", name="To JupyterLab").click()
    page.wait_for_url(re.compile("/jupyter/user/grace/lab"), timeout=TIMEOUT)
    context.close()
