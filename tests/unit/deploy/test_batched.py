"""Files, units and packages read at once, by this machine's own shell: for each what its own command says.

systemctl and dpkg-query are stand-ins here, which print as the real ones do; tests/deploy/test_connector.py asks those.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connector.batched import Batched, parted
from connector.session import Answer, Part, Question
from deploy import units
from deploy.apt import Packages
from deploy.files import FileState
from deploy.programs import Says
from deploy.units import Unit

SYSTEMCTL = """#!/bin/sh
shift 3
between=
for unit; do
    printf "$between"; between='\\n'
    case $unit in
        absent*) echo LoadState=not-found ActiveState=inactive NeedDaemonReload=no ;;
        *.timer) echo NeedDaemonReload=yes LoadState=loaded ActiveState=active UnitFileState=enabled ;;
        *) echo LoadState=loaded ActiveState=failed UnitFileState= NeedDaemonReload=no ConditionResult=no ;;
    esac | tr ' ' '\\n'
done
"""
DPKG_QUERY = """#!/bin/sh
shift 3
for package; do
    case $package in
        absent*) echo "dpkg-query: no packages found matching $package" >&2 ;;
        gone*) echo "config-files $package" ;;
        *) echo "installed $package" ;;
    esac
done
"""


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"systemctl": SYSTEMCTL, "dpkg-query": DPKG_QUERY, "dpkg": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def said(command: str) -> list[str]:
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def processed(fact: Any, output: Sequence[str]) -> object:
    """As pyinfra does it."""
    return fact.process(list(output)) if output else fact.default()


def both(fact: type, asked: list[dict[str, Any]]) -> tuple[list[object], list[object]]:
    """What each says alone, and what they say together."""
    made: Any = fact()
    assert isinstance(fact, Batched)
    alone = [processed(made, said(made.command(**one))) for one in asked]
    return alone, [processed(made, one) for one in fact.split(asked, said(fact.batch(asked)))]


def kinds(folder: Path) -> list[str]:
    """All that may stand at a path."""
    (folder / "empty").touch()
    (folder / "it's a | file").write_text("content")
    (folder / "it's a | file").chmod(0o600)
    (folder / "folder").mkdir(mode=0o711)
    for name, leads in {
        "link": "empty",
        "to a folder": "folder",
        "dangling": "nowhere",
        "loop": "loop",
    }.items():
        (folder / name).symlink_to(folder / leads)
    return [*sorted(str(path) for path in folder.iterdir()), f"{folder}/nothing", f"{folder}/empty/below"]


def test_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    paths = kinds(tmp_path / "here")
    alone, together = both(FileState, [{"path": path} for path in paths])
    assert together == alone
    assert len({str(state) for state in alone}) == 5
    assert both(FileState, [{"path": f"{tmp_path}/nothing"}]) == ([None], [None])


def test_units_and_what_they_read(tmp_path: Path, bin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "STARTED", str(tmp_path / "started"))
    monkeypatch.setattr(units, "UNITS", str(tmp_path))
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "a.service").write_text("digest\n")
    for name in ("read", "other"):
        (tmp_path / name).write_text(name)
    drop_in = Path(units.drop_in("a.service"))
    drop_in.parent.mkdir()
    drop_in.write_text("drop-in")
    paths = [f"{tmp_path}/{name}" for name in ("read", "absent", "other")]
    names = ("a.service", "b.timer", "absent.service", "absent.path")
    asked: list[dict[str, Any]] = [{"unit": name, "paths": paths} for name in names]
    asked.append({"unit": "c.service", "paths": [f"{tmp_path}/absent"]})
    alone, together = both(Unit, asked)
    assert together == alone
    assert len({str(state) for state in alone}) == 4
    digest = said(f"sha256sum {drop_in}")[0].split()[0]
    now = said(units.digest_script(paths))[0]
    assert alone[0] == units.UnitState(
        loaded=True, enabled=False, active=False, unwanted=True, stale=False, down=True,
        now=now, recorded="digest", drop_in=digest,
        sums=tuple((said(f"sha256sum {path}")[0].split()[0], path) for path in paths if Path(path).exists()),
    )  # fmt: skip


@pytest.mark.parametrize("left_out", ["LoadState", "Recorded"])
def test_units_that_systemctl_left_out_are_nobodys(left_out: str, bin: Path) -> None:
    asked = [{"unit": "a.service", "paths": ["/a"]}, {"unit": "b.service", "paths": ["/b"]}]
    output = said(Unit.batch(asked))
    first = next(at for at, line in enumerate(output) if line.startswith(left_out))
    until = output.index("") + 1 if left_out == "LoadState" else first + 1
    with pytest.raises(ValueError, match=r".*"):
        Unit.split(asked, output[:first] + output[until:])


@pytest.mark.parametrize("audit", ["", "half-installed"])
def test_packages(audit: str, bin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bin / "dpkg").write_text(f"#!/bin/sh\necho '{audit}'\n" if audit else "#!/bin/sh\n")
    monkeypatch.setattr("deploy.apt.wait_for_begun", lambda: ":")
    lists = (["a", "absent-1", "gone-1"], ["b", "a"], ["absent-1"], ["c"])
    alone, together = both(Packages, [{"packages": names} for names in lists])
    assert together == alone
    assert {state.broken for state in map(Packages().process, [[]])} == {False}
    assert [getattr(state, "broken", None) for state in alone] == [bool(audit)] * len(lists)


@pytest.mark.parametrize("fact", [FileState, Packages, Unit, Says])
@pytest.mark.parametrize("value", [7, {}, ["a", "b"]])
def test_what_was_remembered_of_other_facts_has_no_answers(fact: type, value: object) -> None:
    """An older deploy's facts may have had arguments of the same names and of other types."""
    arguments = dict.fromkeys(("path", "packages", "unit", "paths", "line"), value)
    for taken in (
        arguments,
        {"line": value},
        {"path": value},
        {"packages": value},
        {"unit": "a", "paths": value},
    ):
        assert parted(Question("echo", parts=(Part("echo", taken),)), Answer(0, ("a",), ()), fact) == {}
