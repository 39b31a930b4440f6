"""The whole program of alarms, from what is seen to a webhook that is a real server."""

import json
import os
from pathlib import Path

import pytest

from tests.listeners import make_ca, webhook
from tests.unit.host.statvfs import blocks
from workbench_host import alarms
from workbench_host.alarms import looking, memory, program

CONFIG = {
    "stack": "prod", "host": "bench.example.org", "url": "https://bench.example.org/", "disks": ["/"],
    "snapshots": None, "mail": None, "webhook": True,
}  # fmt: skip


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As systemd runs it: a folder with secrets, and one for its state."""
    for name in ("secrets", "state"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "secrets"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "alarms.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr(alarms, "CONFIG", str(tmp_path / "alarms.json"))
    monkeypatch.setattr(alarms, "STATE", str(tmp_path / "state/state.json"))
    monkeypatch.setattr(os, "statvfs", lambda _: blocks(0.9, kept=0))
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    monkeypatch.setattr(looking, "HTTPS", ("127.0.0.1", 1))
    return tmp_path


def test_the_whole_from_the_disk_to_the_webhook(
    unit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{hook.port}/hooks/s3cret")
        assert program.main(["--look"]) == 0
        assert program.main(["--look"]) == 0
        (post,) = hook.posts
        assert post == {
            "path": "/hooks/s3cret",
            "type": "application/json",
            "text": "Workbench prod (https://bench.example.org/)\nALARM: The disk at / is 90% full.",
        }
        assert [one["text"] for one in memory.report()["on"]] == ["The disk at / is 90% full."]
        monkeypatch.setattr(os, "statvfs", lambda _: blocks(0.5))
        assert program.main(["--look"]) == 0
        assert hook.posts[1]["text"].endswith("\nOVER: The disk at / is 90% full.")
        assert memory.report()["on"] == []
        assert len(hook.posts) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "answered with status 404: no_service"), (307, "answered with status 307"), (500, "status 500")],
)
def test_a_webhook_that_refuses_is_one_sentence_without_its_address(
    unit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, said: str
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        hook.status = status
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{hook.port}/hooks/s3cret")
        assert program.main(["--test"]) == 0
        assert program.main(["--look"]) == 0
        assert [post["path"] for post in hook.posts] == ["/hooks/s3cret"] * 2, "it is followed nowhere else"
    out, err = capsys.readouterr()
    assert said in json.loads(out)["failed"]["webhook"]
    assert said in err
    assert "s3cret" not in out + err + (unit / "state/state.json").read_text()


@pytest.mark.parametrize(
    ("trusted", "port", "said"),
    [(False, None, "its certificate is not trusted"), (True, 1, "could not be reached: Connection refused")],
)
def test_a_webhook_that_is_not_what_it_says_gets_nothing(
    unit: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, port: int | None, said: str
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{port or hook.port}/hooks/s3cret")
        failed = program.test(CONFIG)["failed"]["webhook"]
        assert hook.posts == []
    assert said in failed
    assert "s3cret" not in failed


def test_it_looks_for_systemd_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert program.main(["--look"]) == 1
    assert program.main([]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
