"""The locked environments: every lock is of its .in file, pinned and hashed, and tied to no registry."""

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import locks

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> dict[str, str]:
    """NAME.txt's entries: canonical package name -> the whole entry, its continuation lines joined."""
    text = (locks.FOLDER / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {str(canonicalize_name(line.split("==")[0].split("[")[0])): line for line in lines}


def asked_for(name: str) -> list[Requirement]:
    lines = (line.split(" #")[0].strip() for line in (locks.FOLDER / f"{name}.in").read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", locks.NAMES)
def test_a_lock_is_made_from_its_in_file_as_it_is_now(name: str) -> None:
    first = (locks.FOLDER / f"{name}.txt").read_text().splitlines(keepends=True)[0]
    assert first == locks.header(name), f"{name}.in has changed since; run `make lock`"


@pytest.mark.parametrize("name", locks.NAMES)
def test_every_entry_is_pinned_to_one_version_and_hashed(name: str) -> None:
    for package, entry in entries(name).items():
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==[^ ]+ ", entry), entry
        assert HASH.search(entry), f"{package} has no hash"


@pytest.mark.parametrize("name", locks.NAMES)
def test_all_that_is_asked_for_is_locked_within_its_bounds(name: str) -> None:
    locked = entries(name)
    assert asked_for(name)
    for requirement in asked_for(name):
        version = locked[canonicalize_name(requirement.name)].split("==")[1].split()[0]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


@pytest.mark.parametrize("name", locks.NAMES)
def test_no_lock_names_a_registry(name: str) -> None:
    for content in locks.files(name).values():
        assert not re.search(
            rb"index-url|find-links|\"resolved\"|https?://(?!opencollective|github)[^\"]*\.tgz", content
        )


def test_the_npm_lock_is_of_its_package_file_and_every_package_has_a_hash() -> None:
    folder = locks.FOLDER / "jupyterhub"
    lock = json.loads((folder / "package-lock.json").read_text())
    assert (
        lock["packages"][""]["dependencies"]
        == json.loads((folder / "package.json").read_text())["dependencies"]
    )
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert "node_modules/configurable-http-proxy" in packages
    assert [
        path for path, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")
    ] == []


def test_the_digest_follows_every_file_and_only_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "FOLDER", tmp_path)
    (tmp_path / "some.txt").write_text("a==1 --hash=sha256:00\n")
    first = locks.digest("some")
    (tmp_path / "other.txt").write_text("b==1\n")
    assert locks.digest("some") == first
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "package-lock.json").write_text("{}")
    second = locks.digest("some")
    (tmp_path / "some.txt").write_text("a==2 --hash=sha256:00\n")
    assert len({first, second, locks.digest("some")}) == 3
    assert re.fullmatch("[0-9a-f]{12}", first)
