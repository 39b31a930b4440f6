"""The host's programs as one archive: put on a folder of the test's by the real commands, whole or not at all."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import workbench_host
from deploy import packages, programs
from deploy.files import Content
from workbench_host import tools
from workbench_host.packages import Package


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/usr/local/lib/workbench."""
    monkeypatch.setattr(programs, "FOLDER", str(tmp_path / "lib"))
    monkeypatch.setattr(programs, "LINK", str(tmp_path / "lib" / "host"))
    return tmp_path / "lib"


def changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive of another version of the project."""
    files = {**programs.contents(), "workbench_host/further.py": b"FURTHER = True\n"}
    monkeypatch.setattr(programs, "contents", lambda: files)
    programs.digest.cache_clear()


@pytest.fixture(autouse=True)
def digests_of_this_project() -> None:
    programs.digest.cache_clear()


def there() -> str:
    """The digest that the host finds."""
    command = programs.Installed().command()
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def install(monkeypatch: pytest.MonkeyPatch, cut: int | None = None) -> int:
    """Runs what the operation runs, its input cut short or whole; the exit status, 0 also where nothing is to do."""
    host = SimpleNamespace(get_fact=lambda _: there(), noop=lambda _: None)
    monkeypatch.setattr(programs, "host", host)
    for command in programs.install._inner():
        given = "\n".join(command.connector_arguments["_stdin"][:cut])
        line = command.get_raw_value()
        return subprocess.run(["sh", "-c", line], input=given, text=True, check=False).returncode
    return 0


def test_it_is_whole_compiled_and_known_by_its_digest(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert there() == ""
    assert install(monkeypatch) == 0
    assert there() == programs.digest()
    assert (place / "host").readlink() == Path(f"host-{programs.digest()}")
    assert list((place / "host" / "workbench_host" / "__pycache__").glob("tools.*.pyc"))
    assert not list(programs.install._inner()), "the second time there is nothing to do"


def test_one_that_was_cut_short_or_damaged_is_not_in_use_and_the_next_run_repairs_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(monkeypatch) == 0
    before = programs.digest()
    changed(monkeypatch)
    assert install(monkeypatch, cut=20) != 0
    assert (place / "host").readlink() == Path(f"host-{before}")
    assert install(monkeypatch) == 0
    (place / "host" / "workbench_host" / "tools.py").write_text("damaged")
    assert there() == ""
    assert install(monkeypatch) == 0
    assert there() == programs.digest() != before


def test_a_program_that_runs_goes_on_with_its_own_modules_and_older_ones_go(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "host-000000000000").mkdir(parents=True)
    assert install(monkeypatch) == 0
    old = programs.folder()
    changed(monkeypatch)
    assert install(monkeypatch) == 0
    assert sorted(path.name for path in place.glob("host-*")) == sorted(
        [Path(old).name, Path(programs.folder()).name]
    )


def test_each_command_starts_its_program(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its real main, as far as one can be told from its first words without a host."""
    assert install(monkeypatch) == 0
    for name in workbench_host.PROGRAMS:
        command = place / "host" / "bin" / name
        assert command.stat().st_mode & 0o777 == 0o755
    said = subprocess.run(
        [place / "host" / "bin" / "health", "--help"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("usage: health")


def test_a_program_is_asked_about_a_file_that_is_to_come(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands that a host would run: the file is on the standard input of the program itself."""
    assert install(monkeypatch) == 0
    package = Package("no-such-package", "Tool 1.0", "https://x.example/tool.deb", "0" * 64, "m", "s")
    given = "\n".join(Content(packages.text([package]).encode()).lines())
    fact = programs.SaysOf()
    for line, status, said in (
        (
            "packages tools --check --given",
            tools.WOULD_CHANGE,
            "install Tool 1.0 from https://x.example/tool.deb",
        ),
        ("no-such-program --check --given", 1, None),
    ):
        done = subprocess.run(
            ["sh", "-c", fact.command(line)], input=given, capture_output=True, text=True, check=True
        )
        reply = fact.process(done.stdout.splitlines())
        assert reply == programs.Reply(status, (said,) if said else ())


def test_a_host_without_the_programs_says_nothing(place: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", programs.SaysOf().command("packages tools --check --given")],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert programs.SaysOf.default() == programs.Reply(127, ())


def test_a_unit_reads_what_its_program_imports_and_nothing_else() -> None:
    package = f"{programs.LINK}/workbench_host"
    told = ["activity", "alarms/__init__", "alarms/looking", "alarms/memory"]
    modules = ["__init__", *told, "health", "logins", "processes", "tools"]
    assert programs.reads("health") == [
        f"{programs.LINK}/bin/health",
        *(f"{package}/{module}.py" for module in modules),
    ]
    accounts = programs.reads("accounts")
    assert {f"{package}/accounts/{name}.py" for name in ("__init__", "plan", "program", "quota")} <= set(
        accounts
    )
    assert f"{package}/health.py" not in accounts


def test_the_hub_reads_all_of_its_package_and_what_that_imports_of_the_programs() -> None:
    hub = programs.modules("workbench_hub")
    assert f"{programs.LINK}/workbench_hub/servers.py" in hub
    assert f"{programs.LINK}/workbench_host/accounts/records.py" in hub
    assert f"{programs.LINK}/workbench_host/health.py" not in hub
