"""`workbench lock`: with uv itself and an index of the tests' own; R's repository is a stand-in too."""

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli import common, cran, lock, pypi
from cli.common import console
from tests.conftest import PUBLIC_KEY
from tests.standins import index
from workbench import stackfile, team
from workbench.errors import WorkbenchError
from workbench_host import packages

PACKAGES = {
    "tiny": "Depends: R (>= 4.1)\nImports: middle (>= 1.0),\n        utils, Matrix (>= 1.5)\n",
    "middle": "LinkingTo: header\n",
    "header": "",
    "modern": "Depends: R (>= 4.9.0)\n",
    "lonely": "Imports: nowhere\n",
}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of a server on loopback, and its folder; what is asked for below /half breaks off."""
    monkeypatch.setattr(packages, "PAUSE_SECONDS", 0)
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # which knows of chunks
        close_connection = True

        def do_GET(self) -> None:
            if not self.path.startswith("/half/"):
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ff\r\nhalf")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the stack file with environments, on mirrors of the tests' own."""
    path = tmp_path / "Pulumi.dev.yaml"
    monkeypatch.setattr(stackfile, "path_of", lambda stack: path)
    monkeypatch.setattr(common, "enter", lambda stack: "dev")
    index.write(web[1], index.wheel(pypi.KERNEL, "7.0"), index.wheel("one", "1.0"))

    def written(*environments: dict[str, Any], **changes: Any) -> Path:
        config = {
            "size": "t3.large",
            "zone": "eu-west-1a",
            "sshFrom": ["203.0.113.7/32"],
            "adminSshKeys": [PUBLIC_KEY],
            "mirrors": {"pypi": f"{web[0]}/simple", "cran": f"{web[0]}/cran"},
            "environments": list(environments),
            **changes,
        }
        with path.open("w") as file:
            YAML().dump({"config": {f"workbench:{key}": value for key, value in config.items()}}, file)
        return path

    return written


GEO = {"name": "geo", "python": "3.13", "requirements": "geo.txt"}


def repository(folder: Path, versions: dict[str, str] | None = None) -> None:
    """A repository of R's whose archives are none that R could install: only their sha256 is looked at here."""
    contrib = folder / "cran" / "src" / "contrib"
    contrib.mkdir(parents=True, exist_ok=True)
    records = ["Package: tiny\nVersion: 9.0\nPath: 4.9.0/Recommended\n"]
    for name, needs in PACKAGES.items():
        version = (versions or {}).get(name, "1.0")
        records.append(f"Package: {name}\nVersion: {version}\n{needs}")
        (contrib / f"{name}_{version}.tar.gz").write_bytes(f"{name} {version}".encode())
    (contrib / "PACKAGES.gz").write_bytes(gzip.compress("\n".join(records).encode()))


def locked(*names: str) -> str:
    with console.capture() as captured:
        lock.lock(list(names) or None)
    return captured.get()


def refused(*names: str) -> str:
    with pytest.raises(WorkbenchError) as caught:
        locked(*names)
    return str(caught.value)


def test_python_is_locked_with_hashes_and_what_a_kernel_needs(
    write: Write, web: tuple[str, Path], tmp_path: Path
) -> None:
    path = write(GEO)
    (tmp_path / "geo.txt").write_text("one\n")
    assert "Pulumi.dev.locks/geo.txt: 2 packages" in locked()
    text = (tmp_path / "Pulumi.dev.locks" / "geo.txt").read_text()
    assert pypi.versions(text) == {"ipykernel": "7.0", "one": "1.0"}
    assert f"--hash=sha256:{index.wheel('one', '1.0').sha256}" in text
    assert web[0] not in text
    assert stackfile.check(path).notes == []
    assert "Nothing was resolved: every lock fits" in locked()


def test_what_is_locked_keeps_its_version_until_it_is_named(
    write: Write, web: tuple[str, Path], tmp_path: Path
) -> None:
    write(GEO)
    (tmp_path / "geo.txt").write_text("one\n")
    locked()
    index.write(web[1], index.wheel("one", "1.0"), index.wheel("one", "2.0"), index.wheel("other", "1.0"))
    (tmp_path / "geo.txt").write_text("one\nother\n")
    assert "geo.txt: other 1.0 is new" in locked()
    assert "geo.txt: one 1.0 -> 2.0" in locked("geo")
    (tmp_path / "geo.txt").write_text("other\n")
    assert "geo.txt: one 2.0 is gone" in locked()


def test_a_package_that_does_not_exist_is_told_with_key_file_and_line_and_the_lock_stays(
    write: Write, tmp_path: Path
) -> None:
    write(GEO)
    (tmp_path / "geo.txt").write_text("one\n")
    locked()
    before = (tmp_path / "Pulumi.dev.locks" / "geo.txt").read_text()
    (tmp_path / "geo.txt").write_text("one\nnothing-of-the-kind>=1\n")
    said = refused()
    assert said.startswith("Pulumi.dev.yaml, line ")
    assert (
        "workbench:environments[0].requirements cannot be locked: line 2 (nothing-of-the-kind>=1): " in said
    )
    assert len(said.splitlines()) == 1
    assert (tmp_path / "Pulumi.dev.locks" / "geo.txt").read_text() == before
    assert [path.name for path in (tmp_path / "Pulumi.dev.locks").iterdir()] == ["geo.txt"]


def test_a_build_is_run_only_where_builds_are_allowed_and_then_without_credentials(
    write: Write, web: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ran = tmp_path / "ran"
    code = f"import json, os\nopen({str(ran)!r}, 'w').write(json.dumps(dict(os.environ)))"
    index.write(web[1], index.wheel(pypi.KERNEL, "7.0"), index.sdist("source", "1.0", code))
    (tmp_path / "geo.txt").write_text("source\n")
    write(GEO)
    said = refused()
    assert not ran.exists()
    assert "line 1 (source): " in said
    assert "is built where services.base.buildTools is true" in said
    assert len(said.splitlines()) == 1
    write(GEO, services={"base": {"buildTools": True}})
    assert "Pulumi.dev.locks/geo.txt: 2 packages" in locked()
    seen = json.loads(ran.read_text())
    assert "secret" not in seen.values()
    assert seen["HOME"] != str(Path.home())
    assert not Path(seen["HOME"]).exists(), "it was for the time of the build"


def test_an_index_that_is_away_is_a_sentence_without_its_password(write: Write, tmp_path: Path) -> None:
    write(GEO, mirrors={"pypi": "http://me:secret@127.0.0.1:9/simple"})
    (tmp_path / "geo.txt").write_text("one\n")
    said = refused()
    assert "cannot be locked" in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1


def test_names_that_there_are_not_and_files_that_are_missing_are_told(write: Write) -> None:
    write(GEO)
    assert "environments[0].requirements is geo.txt, which does not exist in" in refused()
    write()
    assert refused("geo") == "There is no environment called geo in the stack file; there are none."
    assert "there are no environments in the stack file" in locked()


def test_r_is_locked_as_a_renv_lock_with_all_that_a_package_needs(
    write: Write, web: tuple[str, Path], tmp_path: Path
) -> None:
    repository(web[1])
    path = write({"name": "stats", "r": "4.5", "packages": ["tiny"]})
    assert "Pulumi.dev.locks/stats.json: 3 packages" in locked()
    whole = json.loads((tmp_path / "Pulumi.dev.locks" / "stats.json").read_text())
    assert set(whole["Packages"]) == {"tiny", "middle", "header"}, "utils and Matrix come with R"
    assert whole["Packages"]["tiny"] == {
        "Package": "tiny",
        "Version": "1.0",
        "Source": "Repository",
        "Repository": "CRAN",
        "File": "src/contrib/tiny_1.0.tar.gz",
        "Sha256": hashlib.sha256(b"tiny 1.0").hexdigest(),
    }
    assert whole["R"]["Version"] == "4.5"
    assert stackfile.check(path).notes == []
    repository(web[1], {"tiny": "1.1"})
    assert "Nothing was resolved" in locked()
    assert "stats.json: tiny 1.0 -> 1.1" in locked("stats")


def test_a_renv_lock_is_taken_at_its_versions_which_may_be_old(
    write: Write, web: tuple[str, Path], tmp_path: Path
) -> None:
    repository(web[1])
    older = web[1] / "cran" / "src" / "contrib" / "Archive" / "tiny" / "tiny_0.9.tar.gz"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"old")
    write({"name": "stats", "r": "4.5", "renvLock": "renv.lock"})
    packages = {
        name: {"Package": name, "Version": version, "Source": "Repository"}
        for name, version in {"tiny": "0.9", "middle": "1.0"}.items()
    }
    (tmp_path / "renv.lock").write_text(json.dumps({"R": {"Version": "4.5.0"}, "Packages": packages}))
    locked()
    whole = json.loads((tmp_path / "Pulumi.dev.locks" / "stats.json").read_text())
    assert whole["Packages"]["tiny"]["File"] == "src/contrib/Archive/tiny/tiny_0.9.tar.gz"
    assert whole["Packages"]["tiny"]["Sha256"] == hashlib.sha256(b"old").hexdigest()
    packages["tiny"]["Version"] = "0.1"
    (tmp_path / "renv.lock").write_text(json.dumps({"R": {}, "Packages": packages}))
    said = refused()
    assert (
        f"environments[0].renvLock cannot be locked: tiny 0.1 is not in {web[0]}/cran, which has 1.0." in said
    )


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("absent", "there is no R package absent in the repository, which the stack file asks for"),
        ("lonely", "there is no R package nowhere in the repository, which lonely asks for"),
        ("modern", "modern 1.0 needs R 4.9.0, and this environment has R 4.5"),
    ],
)
def test_an_r_package_that_cannot_be_had_is_told_with_the_key(
    write: Write, web: tuple[str, Path], package: str, words: str
) -> None:
    repository(web[1])
    write({"name": "stats", "r": "4.5", "packages": [package]})
    said = refused()
    assert f"workbench:environments[0].packages cannot be locked: {words}." in said
    assert len(said.splitlines()) == 1


def test_a_repository_that_is_away_or_is_none_is_told_without_its_password(
    write: Write, web: tuple[str, Path]
) -> None:
    one = {"name": "stats", "r": "4.5", "packages": ["tiny"]}
    write(one, mirrors={"cran": "http://me:secret@127.0.0.1:9/cran"})
    said = refused()
    assert "http://127.0.0.1:9/cran cannot be had (" in said
    assert "mirrors.cran names another repository" in said
    assert "secret" not in said
    write(one, mirrors={"cran": f"{web[0]}/empty"})
    assert f"{web[0]}/empty cannot be had (it has no src/contrib/PACKAGES)" in refused()
    write(one, mirrors={"cran": f"{web[0]}/half"})
    assert f"{web[0]}/half cannot be had (the download broke off); mirrors.cran" in refused()


def test_the_public_repository_is_pinned_to_a_day_so_that_its_archives_stay() -> None:
    pinned = cran.pinned("https://packagemanager.posit.co/cran/__linux__/trixie/latest")
    assert pinned.startswith("https://packagemanager.posit.co/cran/__linux__/trixie/20")
    assert cran.pinned("https://cran.example.org") == "https://cran.example.org"
    assert cran.without_password("https://me:secret@cran.example:8/x") == "https://cran.example:8/x"


def test_a_lock_that_belongs_to_nothing_any_more_is_told_of_and_stays(write: Write, tmp_path: Path) -> None:
    write(GEO)
    (tmp_path / "geo.txt").write_text("one\n")
    (tmp_path / "Pulumi.dev.locks").mkdir()
    other = tmp_path / "Pulumi.dev.locks" / "old.txt"
    other.write_text("")
    assert "Pulumi.dev.locks/old.txt belongs to no environment; remove it." in locked()
    assert other.exists()
    assert team.folder(tmp_path / "Pulumi.dev.yaml") == other.parent
