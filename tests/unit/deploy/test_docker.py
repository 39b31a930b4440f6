"""The ranges of ids for users' containers, and the configuration of registries."""

import tomllib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deploy.files import render
from workbench_host import container_users as program


@hypothesis_settings(deadline=None)  # other tests run beside it
@given(st.sets(st.integers(1001, 59999), min_size=2, max_size=40))
def test_no_two_users_share_an_id_and_all_fit_into_32_bits(uids: set[int]) -> None:
    ranges = sorted((program.start(uid), program.start(uid) + program.COUNT) for uid in uids)
    assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    assert ranges[0][0] >= 65536
    assert ranges[-1][1] <= 2**32


def test_a_users_range_does_not_depend_on_who_was_there_before_and_others_keep_theirs() -> None:
    users = {"ada": 2000, "grace": 2001}
    made_by_useradd = "admin:100000:65536\nada:165536:65536\ngrace:231072:65536\n"
    other_server = "admin:100000:65536\ngrace:165536:65536\nada:231072:65536\n"
    wanted = program.wanted(made_by_useradd, users)
    assert program.wanted(other_server, users) == wanted
    assert wanted.splitlines() == ["admin:100000:65536", "ada:65601536:65536", "grace:65667072:65536"]
    assert program.wanted(wanted, users) == wanted


def test_a_range_that_overlaps_a_users_goes() -> None:
    start = program.start(2000)
    assert program.wanted(f"admin:{start - 10}:65536\n", {"ada": 2000}) == f"ada:{start}:65536\n"


def test_the_check_changes_nothing_and_a_run_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (tmp_path / "subuid", tmp_path / "subgid")
    named = [("ada", 2000, "/bin/bash"), ("alan", 2001, "/usr/sbin/nologin"), ("admin", 1000, "/bin/bash")]
    people = [SimpleNamespace(pw_name=name, pw_uid=uid, pw_shell=shell) for name, uid, shell in named]
    lingering = tmp_path / "linger"
    lingering.mkdir()
    asked: list[str] = []

    def enable(command: list[str], **_: object) -> None:
        asked.extend(command[2:])
        for name in command[2:]:
            (lingering / name).touch()

    monkeypatch.setattr(program, "FILES", files)
    monkeypatch.setattr(program, "LINGERING", lingering)
    monkeypatch.setattr("subprocess.run", enable)
    monkeypatch.setattr("pwd.getpwall", lambda: people)
    assert program.main(["--check"]) == program.WOULD_CHANGE
    assert not files[0].exists()
    assert program.main([]) == 0
    assert [file.read_text() for file in files] == ["ada:65601536:65536\nalan:65667072:65536\n"] * 2
    assert asked == ["ada"], "an account that is closed has nothing running"
    assert program.main(["--check"]) == 0


@pytest.mark.parametrize("plain", [False, True])
def test_a_mirror_of_images_goes_before_docker_hub(plain: bool) -> None:
    with_mirror = tomllib.loads(render("docker/registries.conf.j2", mirror="mirror.example/hub", plain=plain))
    assert with_mirror["registry"] == [
        {"location": "docker.io", "mirror": [{"location": "mirror.example/hub", "insecure": plain}]}
    ]
    without = tomllib.loads(render("docker/registries.conf.j2", mirror="", plain=False))
    assert without == {"unqualified-search-registries": ["docker.io"]}
