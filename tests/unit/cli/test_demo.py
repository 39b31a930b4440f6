"""Whether the demo has RStudio: its package is looked for, at a server of our own, before anything is made."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli import demo
from workbench import versions


class Server(BaseHTTPRequestHandler):
    """Has the package, and nothing else."""

    def do_HEAD(self) -> None:
        there = self.path == f"/there/{versions.rstudio_file(versions.RSTUDIO)}"
        self.send_response(200 if there else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_rstudio_is_in_the_demo_where_its_package_can_be_had(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "RSTUDIO_BUILDS", f"{address}/there")
    assert demo.rstudio_unreachable() is None


def test_where_it_cannot_be_had_the_reason_is_given(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = versions.rstudio_file(versions.RSTUDIO)
    monkeypatch.setattr(versions, "RSTUDIO_BUILDS", f"{address}/elsewhere")
    assert demo.rstudio_unreachable() == f"{address}/elsewhere/{file} answers with status 404"
    monkeypatch.setattr(versions, "RSTUDIO_BUILDS", "http://127.0.0.1:9")
    said = demo.rstudio_unreachable() or ""
    assert said.startswith(f"http://127.0.0.1:9/{file} cannot be reached (")
    assert "Connection refused" in said
