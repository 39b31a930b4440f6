"""The program that installs packages which no archive has: real downloads from our own server, apt stood in."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import packages
from workbench_host import packages as program

CONTENT = b"a package" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """What is asked for by the path's first word; `busy` answers at the second try."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        how = self.path.split("/")[1]
        if how == "absent":
            self.send_error(404)
            return
        if how == "broken" or (how == "busy" and self.asked.count(self.path) < 2):
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if how == "cut" else CONTENT)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folders as temporary ones; `installed` is what dpkg and apt would know of."""
    for name in ("CONFIG", "NOTES", "DOWNLOADS"):
        monkeypatch.setattr(program, name, tmp_path / name.lower())
    monkeypatch.setattr(program, "PAUSE_SECONDS", 0)
    (tmp_path / "installed").mkdir()
    (tmp_path / "config").mkdir()

    def apt_get(*arguments: str) -> None:
        file = Path(arguments[-1])
        if arguments[0] == "install":
            (tmp_path / "installed" / file.stem).write_bytes(file.read_bytes())
        else:
            (tmp_path / "installed" / file.name).unlink()

    monkeypatch.setattr(program, "apt_get", apt_get)
    monkeypatch.setattr(program, "is_installed", lambda name: (tmp_path / "installed" / name).exists())
    Server.asked.clear()
    return tmp_path


def wanted(address: str, sha256: str = SHA256) -> program.Package:
    return program.Package(
        "tool", "Tool 1.0", f"{address}/tool.deb", sha256, "mirrors.tool", "services.tool.version"
    )


def call(host: Path, monkeypatch: pytest.MonkeyPatch, package: program.Package, *flags: str) -> int:
    (host / "config" / "group.json").write_text(packages.text([package]))
    return program.main(["group", *flags])


def test_a_package_is_installed_once_and_the_check_says_so(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = wanted(f"{address}/whole")
    assert call(host, monkeypatch, package, "--check") == 3
    assert capsys.readouterr().out == f"install Tool 1.0 from {address}/whole/tool.deb\n"
    assert not Server.asked
    assert call(host, monkeypatch, package) == 0
    assert (host / "installed" / "tool").read_bytes() == CONTENT
    assert call(host, monkeypatch, package, "--check") == 0
    assert call(host, monkeypatch, package) == 0
    assert len(Server.asked) == 1
    assert list((host / "downloads").iterdir()) == []


def test_a_download_that_does_not_end_does_not_fill_the_disk(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "MOST_BYTES", len(CONTENT) - 1)
    assert call(host, monkeypatch, wanted(f"{address}/whole")) == 1
    said = f"from {address}/whole/tool.deb (it was ended after {len(CONTENT) - 1} bytes); mirrors.tool names another"
    assert said in capsys.readouterr().err
    assert len(Server.asked) == 1
    assert list((host / "downloads").iterdir()) == []


def test_another_file_of_the_same_name_is_another_package(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(host, monkeypatch, wanted(f"{address}/whole")) == 0
    assert call(host, monkeypatch, wanted(f"{address}/whole", "0" * 64), "--check") == 3


@pytest.mark.parametrize(
    ("how", "sha256", "said"),
    [
        (
            "absent",
            SHA256,
            "There is no Tool 1.0 at {}/tool.deb (status 404): services.tool.version has to be a version that exists, "
            "mirrors.tool a place that has it.",
        ),
        (
            "whole",
            "0" * 64,
            f"Tool 1.0 from {{}}/tool.deb has the sha256 {SHA256}, but {'0' * 64} is expected: mirrors.tool leads to "
            "another file, or the sha256 of services.tool.version is wrong.",
        ),
        (
            "cut",
            SHA256,
            "Tool 1.0 cannot be downloaded from {}/tool.deb (the download ended after 1000 of 9000 bytes); "
            "mirrors.tool names another place to get it from.",
        ),
        (
            "broken",
            SHA256,
            "Tool 1.0 cannot be downloaded from {}/tool.deb (status 503); mirrors.tool names another place to get it "
            "from.",
        ),
    ],
)
def test_what_cannot_be_downloaded_is_one_sentence_and_leaves_the_old_one_alone(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    how: str, sha256: str, said: str,
) -> None:  # fmt: skip
    (host / "installed" / "tool").write_text("the old one")
    at = f"{address}/{how}"
    assert call(host, monkeypatch, wanted(at, sha256)) == 1
    assert capsys.readouterr().err == said.format(at) + "\n"
    assert (host / "installed" / "tool").read_text() == "the old one"
    assert list((host / "downloads").iterdir()) == []


def test_a_server_that_is_not_there_is_named_with_the_mirrors_key(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(host, monkeypatch, wanted("http://127.0.0.1:9")) == 1
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/tool.deb (Connection refused); mirrors.tool names another place" in said


def test_a_server_that_is_busy_is_asked_again(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(host, monkeypatch, wanted(f"{address}/busy")) == 0


def test_an_install_that_was_killed_is_done_again(
    host: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As sudden as SIGKILL: no `except Exception` of the program sees it."""

    def killed(*arguments: str) -> None:
        (host / "installed" / "tool").write_text("half")
        raise Killed

    package = wanted(f"{address}/whole")
    with monkeypatch.context() as patch:
        patch.setattr(program, "apt_get", killed)
        with pytest.raises(Killed):
            call(host, patch, package)
    assert call(host, monkeypatch, package, "--check") == 3
    assert call(host, monkeypatch, package) == 0
    assert (host / "installed" / "tool").read_bytes() == CONTENT


def test_the_lists_of_the_deploy_are_what_the_program_reads() -> None:
    [entry] = json.loads(packages.text([wanted("http://mirror.example")]))
    assert set(entry) == {"name", "title", "address", "sha256", "mirror", "setting"}
