"""workbench-app: addresses, ports, and what a command is told; with real sockets and real processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import workbench_host
from workbench_host import webapps

SERVER = "https://bench.example/jupyter/user/ada/second/"
TELL = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


@pytest.fixture(autouse=True)
def of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(webapps.SERVER, SERVER)


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, since it becomes another."""
    root = Path(workbench_host.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from workbench_host.webapps import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_a_port_has_an_address_of_the_server_that_one_is_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert webapps.main(["8501"]) == 0
    assert capsys.readouterr().out == f"{SERVER}proxy/8501/\n"


def test_elsewhere_it_is_one_of_the_usual_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SSH and in RStudio."""
    monkeypatch.delenv(webapps.SERVER)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: type("", (), {"pw_name": "grace"}))
    monkeypatch.setattr(webapps, "NAMES", tmp_path / "certificate.json")
    assert webapps.main(["8501"]) == 1
    assert "is not known" in capsys.readouterr().err
    webapps.NAMES.write_text('{"domain": "192.0.2.7"}')
    assert webapps.main(["8501"]) == 0
    assert capsys.readouterr().out == "https://192.0.2.7/jupyter/user/grace/proxy/8501/\n"


@pytest.mark.parametrize("wrong", ["80", "0", "65536", "no", "-1", "8501.", "\u0663\u0663\u0663\u0663"])
def test_what_is_no_port_of_an_app_is_refused_in_a_sentence(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert webapps.main([wrong]) != 0
    said = capsys.readouterr().err
    assert "usage:" in said or f"{wrong} is no port of an app; takes 1024 to 65535." in said


@pytest.mark.parametrize(
    "wrong", [["run"], ["run", "--prot", "1"], ["run", "--port"], ["8501", "x"], ["--all"]]
)
def test_what_is_not_understood_runs_nothing(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert webapps.main(wrong) == 2
    assert capsys.readouterr().err == f"{webapps.USAGE}\n"


def test_a_command_is_told_where_it_is_in_the_words_of_each_framework() -> None:
    done = program("run", sys.executable, "-c", TELL, "--port={port}", "--prefix", "{path}/x")
    words, told = json.loads(done.stdout)
    port = told["PORT"]
    path = f"/jupyter/user/ada/second/proxy/{port}"
    assert words == [f"--port={port}", "--prefix", f"{path}/x"]
    assert f"https://bench.example{path}/" in done.stderr
    assert told["STREAMLIT_SERVER_PORT"] == told["UVICORN_PORT"] == told["GRADIO_SERVER_PORT"] == port
    assert told["UVICORN_ROOT_PATH"] == path
    assert told["DASH_REQUESTS_PATHNAME_PREFIX"] == f"{path}/"
    assert told["BOKEH_ALLOW_WS_ORIGIN"] == "bench.example"
    assert "{" not in "".join(told[name] for name in webapps.SURROUNDINGS)


def test_a_port_that_somebody_has_is_said_and_nothing_is_run() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = program("run", "--port", str(port), sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {port} is not free" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_is_not_there_is_said_with_where_pip_may_have_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = program("run", "nowhere-to-be-found")
    assert done.returncode == 127
    assert done.stderr.endswith("nowhere-to-be-found cannot be run: No such file or directory.\n")
    (tmp_path / ".local/bin").mkdir(parents=True)
    (tmp_path / ".local/bin/nowhere-to-be-found").touch(mode=0o755)
    assert "try `python -m nowhere-to-be-found`" in program("run", "nowhere-to-be-found").stderr


def test_what_of_ones_own_listens_is_listed_with_its_command_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tidy.sock").touch()
    monkeypatch.setenv(webapps.SOCKETS, str(tmp_path))
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        mine.listen()
        port = mine.getsockname()[1]
        assert webapps.main([]) == 0
        lines = capsys.readouterr().out.splitlines()
        [line] = [line for line in lines if line.startswith(f"{SERVER}proxy/{port}/  ")]
        assert "python" in line
        assert f"{SERVER}proxy/unix/tidy/" in lines
        assert webapps.listening(os.getuid() + 1) == {}


def test_in_notebooks_dash_fills_in_the_port_by_itself() -> None:
    """dash 4.4.1, `_jupyter.py`: what the setting has in braces is filled in when an app is run in a notebook."""
    told = webapps.standing(webapps.below(SERVER))
    assert told["DASH_REQUESTS_PATHNAME_PREFIX"] == "/jupyter/user/ada/second/proxy/{port}/"
    assert told["DASH_DOMAIN_BASE"] == "bench.example"
