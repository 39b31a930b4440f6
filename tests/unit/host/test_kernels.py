"""Further versions of R and Python: the programs that add and remove them, with what they call stood in."""

import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy import python, r
from workbench.settings import Mirrors
from workbench.settings.services import Python, R
from workbench_host import kernels, packages, processes, python_versions, r_versions
from workbench_host.team import builder
from workbench_host.tools import FailureError

SHA256 = "a" * 64


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All folders as temporary ones; nothing is downloaded: installing makes the program, or uv its environment."""
    for module, names in (
        (kernels, ("KERNELS",)),
        (processes, ("PROCESSES",)),
        (packages, ("NOTES",)),
        (r_versions, ("VERSIONS", "ROOT", "PROFILE")),
        (python_versions, ("VERSIONS", "ROOT", "LOCK")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, tmp_path / module.__name__.replace("/", "-") / name.lower())
    monkeypatch.setattr(python_versions, "BUILDS", python_versions.ROOT / ".builds")
    monkeypatch.setattr(python_versions, "CACHE", python_versions.ROOT / ".cache")
    for folder in (
        processes.PROCESSES,
        r_versions.VERSIONS.parent,
        python_versions.VERSIONS.parent,
        packages.NOTES,
    ):
        folder.mkdir(parents=True, exist_ok=True)

    def install(package: packages.Package) -> None:
        (r_versions.ROOT / r_versions.version_of(package.name) / "bin").mkdir(parents=True)
        (packages.NOTES / package.name).write_text(package.sha256)

    monkeypatch.setattr(packages, "install", install)
    monkeypatch.setattr(packages, "is_installed", lambda name: (packages.NOTES / name).exists())
    monkeypatch.setattr(packages, "apt_get", lambda *arguments: None)
    monkeypatch.setattr(builder, "ROOT", tmp_path / "environments")
    monkeypatch.setattr(builder, "CACHE", tmp_path / "environments" / ".cache")
    for name in ("give", "stop", "hand_over"):
        monkeypatch.setattr(builder, name, lambda *_: None)
    monkeypatch.setattr(builder, "run", build)
    monkeypatch.setattr(python_versions, "uv", uv)
    return tmp_path


def build(folder: Path, command: Sequence[str | Path], variables: dict[str, str]) -> None:
    """As R does it: what IRkernel needs, and IRkernel; of what it needs, the version may have something already."""
    assert (command[-1], variables["R_LIBS"]) == ("irkernel.R", str(folder))
    for name in ("IRkernel", "repr", "base"):
        (folder / name).mkdir()
        (folder / name / "DESCRIPTION").write_text("built")


def uv(*arguments: object) -> None:
    if arguments[0] == "venv":
        folder = Path(str(arguments[-1]))
        (folder / "bin").mkdir(parents=True)  # fails on one that was left half made
        (folder / "bin" / "python").touch()


def have_r(monkeypatch: pytest.MonkeyPatch, *versions: str, check: bool = False) -> int:
    service = R.model_validate({"versions": [{"version": one, "sha256": SHA256} for one in versions]})
    r_versions.VERSIONS.write_text(r.further(service, Mirrors(), "x86_64"))
    return r_versions.main(["--check"] if check else [])


def have_python(monkeypatch: pytest.MonkeyPatch, *versions: str, check: bool = False) -> int:
    service = Python.model_validate({"versions": list(versions)})
    python_versions.VERSIONS.write_text(python.further(service, Mirrors()))
    return python_versions.main(["--check"] if check else [])


Have = Callable[..., int]


@pytest.mark.parametrize(
    ("have", "one", "other", "prefix"),
    [(have_r, "4.4.3", "4.3.2", "r-"), (have_python, "3.12", "3.11.9", "python-")],
)
def test_versions_come_with_their_kernels_and_go_with_them(
    host: Path, monkeypatch: pytest.MonkeyPatch, have: Have, one: str, other: str, prefix: str
) -> None:
    assert have(monkeypatch, one, other, check=True) == 3
    assert have(monkeypatch, one, other) == 0
    assert have(monkeypatch, one, other, check=True) == 0
    described = json.loads((kernels.KERNELS / f"{prefix}{one}" / "kernel.json").read_text())
    assert f"/{one}/bin/" in described["argv"][0]
    assert described["argv"][-1] == "{connection_file}"
    assert one in described["display_name"]
    assert have(monkeypatch, one, check=True) == 3
    assert have(monkeypatch, one) == 0
    assert sorted(path.name for path in kernels.KERNELS.iterdir()) == [f"{prefix}{one}"]
    assert have(monkeypatch, one, check=True) == 0
    assert have(monkeypatch) == 0
    assert list(kernels.KERNELS.iterdir()) == []


def test_of_versions_that_are_to_come_it_is_said_which_would_be_installed_and_removed(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have_python(monkeypatch, "3.12")
    have_r(monkeypatch, "4.4.3")
    to_come = python.further(Python.model_validate({"versions": ["3.11.9"]}), Mirrors())
    monkeypatch.setattr("sys.stdin", io.StringIO(to_come))
    assert python_versions.main(["--check", "--given"]) == 3
    to_come = r.further(R(), Mirrors(), "x86_64")
    monkeypatch.setattr("sys.stdin", io.StringIO(to_come))
    assert r_versions.main(["--check", "--given"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "install Python 3.11.9, and its kernel",
        "remove Python 3.12, and its kernel",
        "remove R 4.4.3, and its kernel",
    ]


@pytest.mark.parametrize(
    ("have", "program", "version"), [(have_r, r_versions, "4.4.3"), (have_python, python_versions, "3.12")]
)
def test_what_a_kernel_still_runs_from_stays_until_nothing_does(
    host: Path, monkeypatch: pytest.MonkeyPatch, have: Have, program: Any, version: str
) -> None:
    have(monkeypatch, version)
    running = processes.PROCESSES / "4711"
    running.mkdir()
    (running / "cmdline").write_bytes(f"{program.ROOT / version}/bin/python\0-m\0ipykernel\0".encode())
    (running / "maps").write_bytes(b"")
    assert have(monkeypatch) == 0
    assert list(kernels.KERNELS.iterdir()) == []
    assert (program.ROOT / version).exists()
    assert have(monkeypatch, check=True) == 0  # there is nothing that could be done now
    (running / "cmdline").write_bytes(b"")
    assert have(monkeypatch, check=True) == 3
    assert have(monkeypatch) == 0
    assert not (program.ROOT / version).exists()


def test_an_environment_that_was_killed_half_way_is_no_kernel_and_is_built_again(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As sudden as SIGKILL."""

    def killed(*arguments: object) -> None:
        uv(*arguments)
        if arguments[0] == "pip":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(python_versions, "uv", killed)
        patch.setattr(
            python_versions, "sweep", lambda *_: None
        )  # which a process that was killed does not do either
        with pytest.raises(Killed):
            have_python(patch, "3.12")
    assert not kernels.KERNELS.exists()
    assert have_python(monkeypatch, "3.12", check=True) == 3
    assert have_python(monkeypatch, "3.12") == 0
    assert have_python(monkeypatch, "3.12", check=True) == 0


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            "No download found for request: cpython-3.99-linux-x86_64-gnu",
            "There is no build of Python 3.99 (services.python.versions);",
        ),
        (
            "Connection refused (os error 111)",
            "Python 3.99 cannot be downloaded from the public builds (Connection refused (os error 111)); "
            "mirrors.python names another place to get it from.",
        ),
    ],
)
def test_a_python_that_cannot_be_had_is_one_sentence_and_leaves_nothing(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cause: str, said: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise python_versions.FailureError(cause)

    monkeypatch.setattr(python_versions, "uv", refuse)
    assert have_python(monkeypatch, "3.99") == 1
    assert capsys.readouterr().err.startswith(said)
    assert not kernels.KERNELS.exists()
    assert python_versions.installed() == set()


def test_a_mirror_of_python_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = "https://me:p@ss@mirror.example/python"

    def refuse(*_: object) -> None:
        raise python_versions.FailureError(f"error sending request for url ({mirror}/x.tar.gz)")

    monkeypatch.setattr(python_versions, "uv", refuse)
    monkeypatch.setattr(python_versions.tools, "close_lock", lambda path: None)
    with pytest.raises(python_versions.FailureError) as caught:
        python_versions.fetch("3.12", mirror)
    assert str(caught.value).startswith(
        "Python 3.12 cannot be downloaded from https://...@mirror.example/python (error sending request for url "
        "(https://...@mirror.example/python/x.tar.gz)); mirrors.python "
    )


def test_an_r_without_irkernel_is_no_kernel_and_names_the_repository(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise FailureError(
            "Error: unable to access index for repository https://me:secret@cran.example/src\x1b]0;"
        )

    monkeypatch.setattr(builder, "run", fail)
    assert have_r(monkeypatch, "4.4.3") == 1
    said = capsys.readouterr().err
    assert "IRkernel for R 4.4.3 cannot be installed from https://packagemanager.posit.co/" in said
    assert (
        "(Error: unable to access index for repository https://...@cran.example/src?]0;): mirrors.cran"
        in said
    )
    assert not kernels.KERNELS.exists()
    assert have_r(monkeypatch, "4.4.3", check=True) == 3


def test_irkernel_is_built_by_the_account_that_builds_and_goes_into_the_versions_library_last(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = r_versions.ROOT / "4.4.3" / "lib" / "R" / "library"
    (library / "base").mkdir(parents=True)
    (library / "base" / "DESCRIPTION").write_text("its own")
    (r_versions.ROOT / "4.4.3" / "bin").mkdir()
    monkeypatch.setattr(packages, "install", lambda package: None)
    moved: list[str] = []
    rename = Path.rename

    def note(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", note)
    assert have_r(monkeypatch, "4.4.3") == 0
    assert [name for name in moved if name in {"IRkernel", "repr", "base"}] == ["repr", "IRkernel"]
    assert (library / "base" / "DESCRIPTION").read_text() == "its own"
    assert not (library.parents[2] / ".irkernel").exists()
    assert not builder.CACHE.exists()
    monkeypatch.setattr(builder, "run", lambda *_: pytest.fail("it is there"))
    r_versions.add_irkernel("4.4.3", "https://cran.example")


def test_addresses_are_those_of_the_publisher_or_of_the_mirror() -> None:
    service = R.model_validate({"versions": [{"version": "4.2.3"}, {"version": "4.4.3", "sha256": SHA256}]})
    public = json.loads(r.further(service, Mirrors(), "x86_64"))["packages"]
    assert public[0]["address"] == "https://cdn.posit.co/r/debian-13/pkgs/r-4.2.3_1_amd64.deb"
    assert len(public[0]["sha256"]) == 64
    mirrors = Mirrors.model_validate({"r": "http://mirror.example/r"})
    assert json.loads(r.further(service, mirrors, "arm64"))["packages"][1]["address"] == (
        "http://mirror.example/r/r-4.4.3_1_arm64.deb"
    )


def test_a_kernel_has_the_picture_of_its_own_package(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logo = host / "IRkernel.svg"
    monkeypatch.setattr(kernels, "R_LOGO", logo)
    have_python(monkeypatch, "3.12")
    have_r(monkeypatch, "4.4.3")
    pictures = {name: kernels.KERNELS / name / kernels.LOGO for name in ("python-3.12", "r-4.4.3")}
    assert not any(path.exists() for path in pictures.values())
    shipped = python_versions.ROOT / "3.12/lib/python3.12/site-packages/ipykernel/resources" / kernels.LOGO
    shipped.parent.mkdir(parents=True)
    logo.write_text("<svg>R</svg>")
    shipped.write_text("<svg>Python</svg>")
    assert have_python(monkeypatch, "3.12", check=True) == have_r(monkeypatch, "4.4.3", check=True) == 3
    assert have_python(monkeypatch, "3.12") == have_r(monkeypatch, "4.4.3") == 0
    assert have_python(monkeypatch, "3.12", check=True) == have_r(monkeypatch, "4.4.3", check=True) == 0
    assert not any(path.is_symlink() for path in pictures.values())  # which Jupyter's server would refuse
    assert pictures["python-3.12"].read_text() == "<svg>Python</svg>"
    assert pictures["r-4.4.3"].read_text() == "<svg>R</svg>"


@pytest.mark.parametrize("made", ["a link", "a link to a folder above", "a pipe", "a large file", "a folder"])
def test_a_picture_that_a_package_made_into_something_else_is_not_taken(host: Path, made: str) -> None:
    """Root reads it, and everybody reads the copy: a link to /etc/shadow would show everybody's passwords' hashes."""
    environment, secret = host / "geo-0123456789ab", host / "secret"
    secret.write_text("secret")
    place = environment / "lib/python3.13/site-packages/ipykernel/resources" / kernels.LOGO
    described = {"argv": [str(environment / "bin/python")], "display_name": "geo", "language": "python"}
    place.parent.mkdir(parents=True)
    if made == "a link":
        place.symlink_to(secret)
    elif made == "a link to a folder above":
        place.parent.rmdir()
        (host / kernels.LOGO).write_text("secret")
        place.parent.symlink_to(host)
    elif made == "a pipe":
        os.mkfifo(place)
    elif made == "a large file":
        with place.open("wb") as file:
            file.truncate(10 * 1024**3)
    else:
        place.mkdir()
    kernels.add("env-geo", described)
    assert [path.name for path in (kernels.KERNELS / "env-geo").iterdir()] == ["kernel.json"]
    assert kernels.has("env-geo", described)
