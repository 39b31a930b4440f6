"""Ranges of ids for users' containers."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

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
    monkeypatch.setattr(program, "FILES", (tmp_path / "subuid", tmp_path / "subgid"))
    people = {"admin": 1000, "ada": 2000, "alan": 2001}
    named = [SimpleNamespace(pw_name=name, pw_uid=uid) for name, uid in people.items()]
    monkeypatch.setattr("pwd.getpwall", lambda: named)
    assert program.main(["--check"]) == program.WOULD_CHANGE
    assert not program.FILES[0].exists()
    assert program.main([]) == 0
    assert program.main(["--check"]) == program.CLEAN
    assert [file.read_text() for file in program.FILES] == ["ada:65601536:65536\nalan:65667072:65536\n"] * 2


def test_a_line_that_is_no_range_stays_and_is_no_error() -> None:
    odd = [
        "",
        "# ada:65601536:65536",
        "ada",
        "ada:65601536",
        "ada:x:65536",
        "ada:-1:65536",
        "ada:1_000:65536",
        "ada::",
        ":1:2",
        f"ada:{'9' * 5000}:65536",
        "admin:100000:65536\r",
        "caf\udce9:1:2:3",
    ]
    text = "".join(f"{line}\n" for line in odd)
    wanted = program.wanted(text, {"ada": 2000})
    assert wanted == f"{text}ada:65601536:65536\n"
    assert program.wanted(wanted, {"ada": 2000}) == wanted
    assert program.wanted(text.removesuffix("\n"), {"ada": 2000}) == wanted


def test_the_longest_range_is_looked_at_in_no_time_and_goes_since_it_overlaps() -> None:
    assert program.wanted("admin:0:9999999999\n", {"ada": 2000}) == "ada:65601536:65536\n"


def test_a_range_that_is_given_to_a_users_uid_is_the_users() -> None:
    assert program.wanted("2000:100000:65536\n", {"ada": 2000}) == "ada:65601536:65536\n"
