"""Templates and the shell that puts them in place, tried on this machine's own shell."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from deploy import files
from deploy.files import Content, FileState, Placement, State, replacing

ME = pwd.getpwuid(os.getuid()).pw_name


def put(
    content: bytes, dest: Path, given: bytes | None = None, **options: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command as a host would; `given` in place of the input that belongs to it."""
    command = replacing(Content(content), str(dest), Placement(user=ME, group=ME, **options))
    text = "\n".join(Content(content).lines()).encode() if given is None else given
    return subprocess.run(["sh", "-c", command.get_raw_value()], input=text, capture_output=True, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_template_without_one_of_its_variables_is_refused() -> None:
    with pytest.raises(UndefinedError, match="locale"):
        files.render("base/locale.gen.j2")


def test_a_file_arrives_byte_for_byte_with_its_mode(tmp_path: Path) -> None:
    dest = tmp_path / "new folder" / "it's here"
    content = bytes(range(256)) * 999 + b"no newline at the end"
    assert put(content, dest, mode="640").returncode == 0
    assert dest.read_bytes() == content
    assert dest.stat().st_mode & 0o7777 == 0o640
    assert names(dest.parent) == [dest.name]


def test_an_empty_file_can_be_put(tmp_path: Path) -> None:
    assert put(b"", tmp_path / "empty").returncode == 0
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_failing_validation_leaves_the_old_file_and_tells_why(tmp_path: Path) -> None:
    dest = tmp_path / "config"
    dest.write_text("good")
    done = put(b"bad", dest, validate="! grep -n bad {} >&2")
    assert done.returncode != 0
    assert b"1:bad" in done.stderr
    assert dest.read_text() == "good"
    assert names(tmp_path) == ["config"]


def test_input_that_is_cut_short_replaces_nothing(tmp_path: Path) -> None:
    dest = tmp_path / "config"
    dest.write_text("old")
    whole = "\n".join(Content(b"n" * 3000).lines()).encode()
    for length in (0, 4, 76, 77, 1540, len(whole) - 4):
        assert put(b"n" * 3000, dest, given=whole[:length]).returncode != 0
        assert dest.read_text() == "old"


def test_while_it_is_judged_the_new_file_is_hidden_from_others(tmp_path: Path) -> None:
    dest = tmp_path / "secret"
    assert put(b"hash", dest, mode="600", validate=f"stat -c '%a %n' {{}} > {tmp_path}/seen").returncode == 0
    mode, name = (tmp_path / "seen").read_text().split()
    assert mode == "600"
    assert Path(name).name.startswith(".secret.")


def test_what_a_killed_run_left_beside_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".config.aB3dE6").write_text("half")
    assert put(b"whole", tmp_path / "config").returncode == 0
    assert names(tmp_path) == ["config"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "config").symlink_to(tmp_path / "target")
    assert put(b"ours", tmp_path / "config").returncode == 0
    assert not (tmp_path / "config").is_symlink()
    assert (tmp_path / "target").read_text() == "theirs"


def test_content_shows_itself_nowhere() -> None:
    content = Content(b"$6$secret")
    command = replacing(content, "/etc/workbench/users.json")
    shown = f"{content} {content!r} {command} {command!r} {command.get_raw_value()}"
    assert "secret" not in shown
    assert content.lines()[0] not in shown


@pytest.mark.parametrize("kind", ["regular file", "nothing", "symbolic link", "directory"])
def test_the_state_of_a_path_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a 'path'"
    if kind == "regular file":
        path.write_bytes(b"content")
        path.chmod(0o604)
    elif kind == "symbolic link":
        path.symlink_to("/etc/passwd")
    elif kind == "directory":
        path.mkdir()
    command = FileState().command(str(path))
    said = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    state = FileState().process(said)
    assert (state is None) == (kind == "nothing")
    if state is None:
        return
    assert state.kind == kind
    if kind == "regular file":
        assert state == State(kind, "604", ME, state.group, Content(b"content").sha256)
