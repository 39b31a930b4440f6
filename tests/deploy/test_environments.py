"""Packages for everybody on a real host: environments from locks, switched under people who work, and refused ones.

Python's packages come from PyPI; CRAN is stood in for by tests/standins/cran.py, and what attacks by tests/standins.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.team_environments import (
    EVIL,
    NOSY,
    PROGRAM,
    ROOT,
    TINY,
    TINY_2,
    drive,
    environments,
    here,
    lock_file,
    package_of,
    visit,
    wanted,
)
from tests.standins import cran, index
from tests.standins.mirror import ADDRESS, mirror, put
from tests.workbench_in_lab import Applied, Workbench, run
from workbench import stack as stacks
from workbench import stackfile, team
from workbench.host import program_path

pytestmark = pytest.mark.lab

KERNELS = "/usr/local/share/jupyter/kernels"
OLD, NEW = "1.16.0", "1.17.0"  # of six
CODE = "import six, sys; print(six.__version__, sys.prefix)"


@pytest.fixture(scope="module")
def project(workbench: Workbench) -> Iterator[Path]:
    """The folder of the stack file, in which the files of environments are; those of this module go again."""
    stack_file = stackfile.path_of(workbench.stack)
    folder = stack_file.resolve().parent / "team-of-tests"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(team.folder(stack_file), ignore_errors=True)


@pytest.fixture(scope="module")
def applied(workbench: Workbench, project: Path) -> Iterator[Applied]:
    """An environment of each language, locked by the command and installed by the deploy; none afterwards."""
    path = stackfile.path_of(workbench.stack)
    before = path.read_text()
    (project / "geo.txt").write_text(f"six=={OLD}\n")
    with mirror(workbench, cran.files(TINY, TINY_2, NOSY)):
        try:
            stackfile.set_value(path, "environments", environments("tiny"))
            stackfile.set_value(path, "mirrors", {"cran": ADDRESS})
            with here(project, TINY, NOSY):
                workbench.command("lock")
            yield workbench.apply()
        finally:
            path.write_text(before)
            workbench.apply().require()
    left = workbench.ssh(f"ls {ROOT}").stdout.split()
    assert [name for name in left if not name.startswith("r-")] == [], "of R's default they stay for a week"
    assert not any(name.startswith("env-") for name in workbench.ssh(f"ls {KERNELS}").stdout.split())


def test_both_compute_in_a_notebook_and_a_second_run_changes_nothing(
    workbench: Workbench, applied: Applied
) -> None:
    assert applied.status == 0, applied.output
    assert workbench.apply().changed == []
    with visit(workbench) as visitor:
        found = visitor.client.get(f"{workbench.url}jupyter/user/ada/api/kernelspecs").json()["kernelspecs"]
        titles = [found[name]["spec"]["display_name"] for name in ("env-geo", "env-stats")]
        assert titles == ["geo (Python 3.13)", "stats (R 4.5)"]
        version, prefix = visitor.run_code(CODE, kernel="env-geo").split()
        assert version == OLD
        assert prefix.startswith(f"{ROOT}/geo-")
        said = visitor.run_code('cat(tiny::answer(), find.package("tiny"))', kernel="env-stats")
        assert said.startswith(f"tiny 1.0 {ROOT}/stats-")
        default = visitor.run_code('cat(nzchar(system.file(package = "tiny")))', kernel="ir")
        assert default.strip() == "FALSE", "other kernels do not see it"


def test_both_compute_by_the_command_in_terminals_and_by_ssh(workbench: Workbench, applied: Applied) -> None:
    python = f"workbench-env geo python -c '{CODE}'"
    r = "workbench-env stats Rscript -e 'cat(tiny::answer())'"
    with visit(workbench) as visitor:
        shown = visitor.type_in_terminal(
            "workbench-env geo python -c 'import six; print(6 * 7, six.__version__)'", f"42 {OLD}"
        )
        assert f"42 {OLD}" in shown
    assert workbench.ssh(f'runuser -l ada -c "{python}"').stdout.startswith(f"{OLD} {ROOT}/geo-")
    if any(user["name"] == "grace" and user.get("sshKeys") for user in workbench.declared_users):
        ssh = [*stacks.ssh_command(workbench.outputs)[:-1], f"grace@{workbench.outputs.address}"]
        assert run([*ssh, python]).stdout.startswith(f"{OLD} {ROOT}/geo-")
        assert run([*ssh, r]).stdout == "tiny 1.0"
    listed = workbench.ssh("runuser -l ada -c workbench-env").stdout.splitlines()
    assert [line.split(" (")[0] for line in listed] == ["geo", "stats"]
    refused = workbench.ssh("runuser -l ada -c 'workbench-env nothing'", check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "There is no environment called nothing here; there are geo, stats.\n",
    )


def test_all_of_it_is_roots_and_to_be_read_by_everybody(workbench: Workbench, applied: Applied) -> None:
    wrong = r"\( -not -user root -o -not -group root -o -perm /022 -o -perm /6000 -o -not -perm -004 \)"
    assert workbench.ssh(f"find {ROOT} {wrong} -not -type l | head").stdout == ""
    assert workbench.ssh("stat -c '%a %U' /etc/workbench/environments.json").stdout == "600 root\n"
    assert workbench.ssh(f"ls -A {ROOT} | grep '^[.]'", check=False).stdout == "", "no cache, no builds"


def test_a_changed_lock_is_for_new_kernels_and_its_revert_too(
    workbench: Workbench, applied: Applied, project: Path
) -> None:
    before = lock_file(workbench, "geo.txt").read_text()
    with visit(workbench) as old, visit(workbench, "grace") as new:
        assert old.run_code(CODE, kernel="env-geo").startswith(OLD)
        (project / "geo.txt").write_text(f"six=={NEW}\n")
        refused = workbench.apply()
        assert refused.refused
        assert "has the lock" in refused.output
        assert "which does not fit team-of-tests/geo.txt; `workbench lock` makes it again." in " ".join(
            refused.output.split()
        )
        assert f"six {OLD} -> {NEW}" in workbench.command("lock").stdout
        changed = workbench.apply()
        assert changed.status == 0, changed.output
        assert changed.changed == [
            "environments | /etc/workbench/environments.json",
            "environments | The team's environments",
        ]
        assert old.run_code(f"import importlib; importlib.reload(six); {CODE}", kernel="env-geo").startswith(
            OLD
        )
        assert new.run_code(CODE, kernel="env-geo").startswith(NEW)
        [kernel] = old._kernels.values()
        old._ask("POST", f"{old._home()}/api/kernels/{kernel}/restart")
        assert old.run_code(CODE, kernel="env-geo").startswith(OLD), "restarted, it is what it was"
        report = json.loads(workbench.command("environments", "--json").stdout)
        [geo] = [one for one in report["environments"] if one["name"] == "geo"]
        using = {(user["user"], user["digest"]) for user in geo["users"]}
        assert using == {("grace", geo["digest"]), ("ada", geo["former"][0])}
        assert "ada (still" in " ".join(workbench.command("environments").stdout.split())
    (project / "geo.txt").write_text(f"six=={OLD}\n")
    lock_file(workbench, "geo.txt").write_text(before)
    workbench.apply().require()
    with visit(workbench) as visitor:
        assert visitor.run_code(CODE, kernel="env-geo").startswith(OLD)


def test_an_install_that_fails_half_way_leaves_the_old_one_in_use(
    workbench: Workbench, applied: Applied, project: Path
) -> None:
    before = {name: lock_file(workbench, name).read_text() for name in ("geo.txt", "stats.json")}
    in_use = workbench.ssh(f"readlink {ROOT}/geo {ROOT}/stats").stdout
    try:
        lines = before["geo.txt"].splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith("six=="))
        lines[at + 1] = f"    --hash=sha256:{'0' * 64}"
        while at + 2 < len(lines) and lines[at + 2].startswith("    --hash"):
            del lines[at + 2]
        lock_file(workbench, "geo.txt").write_text("\n".join(lines) + "\n")
        whole = json.loads(before["stats.json"])
        whole["Packages"]["tiny"]["Sha256"] = "0" * 64
        lock_file(workbench, "stats.json").write_text(json.dumps(whole))
        failed = workbench.apply()
        said = " ".join(failed.output.split())
        assert failed.status != 0
        assert (
            f"workbench:environments[0]: the environment geo could not be built: six=={OLD} has another"
            in said
        )
        assert "workbench:environments[1]: the environment stats could not be built: tiny 1.0 from" in said
        assert "; the one before stays in use." in said
        assert "Traceback" not in failed.output
        assert workbench.ssh(f"readlink {ROOT}/geo {ROOT}/stats").stdout == in_use
        with visit(workbench) as visitor:
            assert visitor.run_code(CODE, kernel="env-geo").startswith(OLD)
    finally:
        for name, text in before.items():
            lock_file(workbench, name).write_text(text)
    workbench.apply().require()


def test_the_default_environments_may_be_the_teams_and_are_the_workbenchs_again(
    workbench: Workbench, applied: Applied, project: Path
) -> None:
    path = stackfile.path_of(workbench.stack)
    before = path.read_text()
    (project / "default.txt").write_text(f"six=={NEW}\n")
    own = [
        {"name": "python", "python": "3.13", "requirements": "team-of-tests/default.txt"},
        {"name": "r", "r": "4.5", "packages": ["tiny"]},
    ]
    where = "import os, sys; print(os.path.realpath(sys.prefix))"
    with visit(workbench) as open_before:
        assert open_before.run_code(where).startswith("/opt/workbench/python-")
        try:
            stackfile.set_value(path, "environments", [*environments("tiny"), *own])
            with here(project, TINY):
                workbench.command("lock")
            changed = workbench.apply()
            assert changed.status == 0, changed.output
            assert workbench.apply().changed == []
            with visit(workbench, "grace") as visitor:
                version, prefix = visitor.run_code(CODE).split()
                assert (version, prefix.startswith(f"{ROOT}/python-")) == (NEW, True)
                assert visitor.run_code("cat(tiny::answer())", kernel="ir").strip() == "tiny 1.0"
            terminal = workbench.ssh(f"runuser -l ada -c 'python -c \"{where}\"'").stdout
            assert terminal.startswith(f"{ROOT}/python-")
            assert open_before.run_code(where).startswith("/opt/workbench/python-"), "what is open goes on"
        finally:
            path.write_text(before)
            workbench.apply().require()
    with visit(workbench) as visitor:
        assert visitor.run_code(where).startswith("/opt/workbench/python-")
        assert visitor.run_code('cat(nzchar(system.file(package = "tiny")))', kernel="ir").strip() == "FALSE"
    assert workbench.ssh(f"ls {ROOT}").stdout.count("python") == 0


def test_what_builds_a_package_is_an_account_that_can_write_nowhere_else(
    workbench: Workbench, applied: Applied, project: Path
) -> None:
    evil = index.sdist("evil", "1.0", EVIL)
    for path, content in index.files(evil).items():
        put(workbench, path, content)
    told = {"index": f"{ADDRESS}/simple", "builds": None, "cran": ADDRESS, "debian": [], "build": True}
    one = wanted("evil", "Python", "3.13", "# made by hand\n" + evil.pin)
    listener = "systemd-run --quiet --collect --unit test-listener --uid ada -p WorkingDirectory=/tmp"
    workbench.ssh(f"{listener} python3 -m http.server 18765 --bind 127.0.0.1; sleep 1")
    own = workbench.ssh(
        "runuser -u ada -- curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18765/"
    ).stdout
    assert own == "200"
    try:
        said = drive(workbench, {**told, "environments": [one], "build": False})
        assert "the environment evil could not be built: evil" in said
        assert "published as source alone, which is built where services.base.buildTools is true" in said
        assert workbench.ssh(f"ls {ROOT}/evil*", check=False).stdout == ""
        said = drive(workbench, {**told, "environments": [one]})
        assert said.endswith("status 0\n"), said
        lines = workbench.ssh(f"cat {ROOT}/evil/told").stdout.splitlines()
        assert lines[0] == "60600"
        assert set(lines[1:5]) <= {"OSError", "PermissionError"}, (
            "a file system that is read only, or not its own"
        )
        assert lines[5] == "PermissionError"
        assert lines[6] in ("[]", "PermissionError")
        assert lines[7:] == ["URLError", "URLError"], "neither the server's credentials nor what users open"
        assert workbench.ssh("pgrep -x -f 'sleep 4711'", check=False).stdout == ""
        assert (
            workbench.ssh(f"stat -c '%U %a' {ROOT}/evil/told {ROOT}/evil/.complete").stdout
            == "root 755\nroot 644\n"
        )
        nosy = {**json.loads(lock_file(workbench, "stats.json").read_text())}
        nosy["Packages"] = {"nosy": package_of(NOSY)}
        said = drive(workbench, {**told, "environments": [wanted("evil", "R", "4.5", json.dumps(nosy))]})
        assert said.endswith("status 0\n"), said
        told_by_r = workbench.ssh(f"R_LIBS={ROOT}/evil/library Rscript -e 'cat(nosy::told)'").stdout
        assert told_by_r == "workbench-build 0 0 0"
        found = workbench.ssh(
            "ls -d /etc/evil /usr/local/evil /opt/evil /opt/environments/evil.?", check=False
        )
        assert found.stdout == ""
    finally:
        workbench.ssh("systemctl stop test-listener")
        workbench.ssh(PROGRAM)
    assert workbench.apply().changed == []


def test_a_library_that_is_missing_and_a_compiler_are_told_with_the_setting_that_brings_them(
    workbench: Workbench, applied: Applied
) -> None:
    """C25: in a notebook, of packages that a user installs."""
    source = {"src/broken.c": "int x;\n", "NAMESPACE": "export(answer)\nuseDynLib(broken)\n"}
    put(workbench, "broken_1.0.tar.gz", cran.package("broken", "1.0", "NeedsCompilation: yes\n", source))
    # A library of R's own, linked with one that there is not: the name has as many letters.
    workbench.ssh(
        "mkdir -p /run/library/sf/libs && cd /usr/lib/R/site-library/xml2 && "
        "printf 'Package: sf\\nVersion: 1.0\\n' > /run/library/sf/DESCRIPTION && "
        "sed 's/libxml2[.]so[.]/libgdal.so./' libs/xml2.so > /run/library/sf/libs/sf.so"
    )
    try:
        with visit(workbench) as visitor:
            install = 'install.packages("/run/test-mirror/broken_1.0.tar.gz", repos = NULL, lib = tempdir())'
            said = visitor.run_code(f"try({install}); 1", kernel="ir", errors=True)
            assert "services.base.buildTools: true" in said
            load = 'try(library.dynam("sf", "sf", "/run/library"), silent = TRUE)'
            said = visitor.run_code(f"cat({load}); 1", kernel="ir", errors=True)
            assert "cannot open shared object file" in said
            assert "The Debian package libgdal-dev comes for everybody with the setting services.base" in said
    finally:
        workbench.ssh("rm -rf /run/library")


def test_debian_packages_of_the_settings_are_installed_and_one_that_there_is_not_is_named(
    workbench: Workbench,
) -> None:
    with workbench.settings(services={"base": {"packages": ["pv", "no-such-thing"]}}) as refused:
        assert refused.status != 0
        assert (
            "workbench:services.base.packages has no-such-thing, which Debian trixie does not have"
            in refused.output
        )
        assert workbench.ssh("command -v pv", check=False).stdout == ""
        again = workbench.apply({"services": {"base": {"packages": ["pv"]}}})
        assert again.status == 0, again.output
        assert workbench.ssh("pv --version").stdout.startswith("pv ")
        assert workbench.apply().changed == []
    found = json.loads(workbench.ssh(program_path("doctor")).stdout)["drift"]
    assert found == {"debian": [], "programs": [], "python": [], "r": []}
    workbench.ssh("apt-get -q -y install moreutils && touch /usr/local/bin/mine")
    try:
        found = json.loads(workbench.ssh(program_path("doctor")).stdout)["drift"]
        assert [one["name"] for one in found["debian"]] == ["moreutils"]
        assert found["programs"] == ["/usr/local/bin/mine"]
    finally:
        workbench.ssh("apt-get -q -y purge moreutils pv; rm /usr/local/bin/mine")
