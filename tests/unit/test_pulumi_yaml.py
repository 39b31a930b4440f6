"""A stack file read as Pulumi reads it: each word is what the real CLI makes of it, or is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit import pulumi_project
from tests.unit.pulumi_project import needs_pulumi
from workbench import pulumi_yaml
from workbench.errors import WorkbenchError

ALIKE = """\
0
7
-7
100
3.10
3.12
-0.5
true
True
FALSE
null
~
yes
on
n
1:30
08:00
3.12.11
2026.07.0+139
203.0.113.7/32
1,000
_1
nUll
2026-12-01 maintenance
"0100"
'2026-12-01'
!!str 0100
-----
a#b""".splitlines()
OTHERWISE = """\
0100
02000
0900
-07
00
0o17
0O17
0x64
0X64
0b11
0B11
+5
1_000
1_
1e3
12E5
.5E0
7e_08
.5
5.
1.5_0
.inf
-.INF
.nan
123456789012345678901234567890
2026-12-01
2026-1-2
2026-12-01 10:00:00
2026-1-2T1:2:3Z
2026-12-01t10:00:00.5+01:00
!foo bar
!!int "5"
!!binary aGVsbG8=""".splitlines()
ALL = [*ALIKE, *OTHERWISE]


def reading(folder: Path, text: str) -> pulumi_yaml.Config:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(text)
    return pulumi_yaml.read(path, "hidden")


@pytest.fixture(scope="module")
def pulumis(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What Pulumi makes of ALL, but for what is no JSON and stops it."""
    root = tmp_path_factory.mktemp("project")
    pulumi_project.make(root)
    words = "".join(f"    - {word}\n" for word in ALL if ".in" not in word.lower() and ".nan" not in word)
    with (root / "Pulumi.dev.yaml").open("a") as file:
        file.write(f"config:\n  tiny:words:\n{words}  tiny:empty:\n  tiny:text: 007\n")
    done = pulumi_project.pulumi(root, "config", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["tiny:empty"]["value"] == ""
    assert said["tiny:text"]["value"] == "7"
    words_read: list[Any] = json.loads(said["tiny:words"]["value"])
    return words_read


@needs_pulumi
def test_every_word_that_is_taken_is_read_as_pulumi_reads_it(pulumis: list[Any], tmp_path: Path) -> None:
    ours = reading(tmp_path, "config:\n  workbench:words:\n" + "".join(f"    - {word}\n" for word in ALIKE))
    assert ours.faults == []
    assert [repr(word) for word in ours.values["words"]] == [repr(word) for word in pulumis[: len(ALIKE)]]


@pytest.mark.parametrize("word", OTHERWISE)
def test_a_word_that_pulumi_may_read_otherwise_is_refused_with_its_line(tmp_path: Path, word: str) -> None:
    found = reading(tmp_path, f"config:\n  workbench:list:\n    - right\n    - {word}\n")
    [fault] = found.faults
    assert "workbench:list[1] is written in a way that Pulumi reads otherwise" in str(fault)
    assert found.line(fault.path) == 4


def test_a_key_without_a_value_is_empty_text_and_further_in_it_is_nothing(tmp_path: Path) -> None:
    found = reading(tmp_path, "config:\n  workbench:domain:\n  workbench:limits: {cpus: }\n")
    assert found.values == {"domain": "", "limits": {"cpus": None}}


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    text = """\
config:
  workbench:a: &base {port: 1, enabled: true}
  workbench:b:
    <<: *base
    port: 2
  workbench:c: {<<: [{port: 3}, *base]}
  workbench:d: *base
"""
    found = reading(tmp_path, text)
    assert found.faults == []
    both = {"port": 1, "enabled": True}
    assert found.values == {"a": both, "b": both | {"port": 2}, "c": both | {"port": 3}, "d": both}


def test_a_key_that_stands_twice_is_refused_where_it_stands_again(tmp_path: Path) -> None:
    found = reading(
        tmp_path, "config:\n  workbench:size: a\n  size: b\n  workbench:limits:\n    cpus: 1\n    cpus: 2\n"
    )
    assert [(str(fault), found.line(fault.path)) for fault in found.faults] == [
        ("workbench:size stands there a second time; keep one of them.", 3),
        ("workbench:limits.cpus stands there a second time; keep one of them.", 6),
    ]


def test_an_alias_that_holds_itself_is_a_sentence(tmp_path: Path) -> None:
    found = reading(tmp_path, "config:\n  workbench:users: &users [*users]\n")
    assert [str(fault) for fault in found.faults] == ["workbench:users[0] holds itself."]


@pytest.mark.parametrize(
    ("limits", "place"),
    [
        ("&x {<<: *x}", "limits"),
        ("&x {<<: [*x]}", "limits"),
        ("&x {<<: {<<: *x}}", "limits"),
        ("&x {cpus: *x}", "limits.cpus"),
        ("&x {cpus: {<<: *x}}", "limits.cpus"),
        ("&x [[*x, *x]]", "limits[0][1]"),
    ],
)
def test_whatever_holds_itself_is_a_sentence_with_its_line(tmp_path: Path, limits: str, place: str) -> None:
    found = reading(tmp_path, f"config:\n  workbench:limits: {limits}\n")
    assert f"workbench:{place} holds itself." in map(str, found.faults)
    assert all("holds itself" in str(fault) and found.line(fault.path) == 2 for fault in found.faults)


@pytest.mark.parametrize(
    "text",
    [
        f"config:\n  workbench:users: {'[' * 2000}{']' * 2000}\n",
        "config:\n  workbench:a0: &a0 {}\n"
        + "".join(f"  workbench:a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 1500)),
    ],
)
def test_what_is_too_deep_to_be_read_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(WorkbenchError, match="hundreds of levels deep"):
        reading(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("config: {}\n".encode("utf-16"), r"is not UTF-8 \(its byte 1 is 0xff\)"),
        ("# Zoë\nconfig: {}\n".encode("latin-1"), r"is not UTF-8 \(its byte 5 is 0xeb\)"),
        (b"config: {a: \x00}\n", "is not YAML: special characters are not allowed"),
        (b"config: {}\nconfig: {}\n", "line 2: there is a second section `config:`"),
        (
            b"config:\n  workbench:users: *hunter2\n",
            "line 2: is not YAML: there is nothing of the name behind",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_bytes(content)
    with pytest.raises(WorkbenchError, match=sentence) as caught:
        pulumi_yaml.read(path, "hidden")
    assert "hunter2" not in str(caught.value)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert reading(tmp_path, "\ufeffconfig: {workbench:size: t3.large}\n").values == {"size": "t3.large"}
