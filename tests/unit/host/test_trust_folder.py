"""trust-folder on a home of the test's."""

from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host import trust_folder


@needs("git")
def test_a_folder_is_noted_once_for_all_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert [trust_folder.main(["link"]), trust_folder.main(["real"])] == [0, 0]
    real = f"{tmp_path}/real"
    assert (tmp_path / ".config/workbench/trusted").read_text() == f"{real}\n"
    assert (tmp_path / ".gitconfig").read_text().count(f"directory = {real}") == 2
    assert real in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["missing"], ["/"], ["--all"], ["a", "b"]])
def test_what_is_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert trust_folder.main(arguments) != 0
    assert list(tmp_path.iterdir()) == []
