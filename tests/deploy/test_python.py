"""The data science environment on a real host: which Python people get, and what they can and cannot do to it."""

import json

import pytest

from deploy import locks, python, uv
from lab.visitor import Visitor
from tests.standins.mirror import ADDRESS, FOLDER, mirror
from tests.workbench_in_lab import Workbench, run
from workbench import stack as stacks
from workbench import versions

pytestmark = pytest.mark.lab

PROGRAM = "/usr/local/lib/workbench/host/bin/environment"
VERSIONS = "/usr/local/lib/workbench/host/bin/python-versions"
# A stand-in for one of uv's builds, which cannot be downloaded here: Debian's own Python in their layout, and the list
# of builds that uv knows with it alone on it.
BUILD = """
cd $(mktemp -d) && mkdir -p python/bin python/lib && cp -a /usr/lib/python3.13 python/lib/
cp /usr/bin/python3.13 python/bin/ && find python -type l -lname '/*' -delete
mkdir -p {folder}/20000101 && tar czf {folder}/20000101/build.tar.gz python
python3 - {folder} {builds} <<'END'
import hashlib, json, pathlib, platform, sys
folder, builds = pathlib.Path(sys.argv[1]), sys.argv[2]
major, minor, patch = map(int, platform.python_version_tuple())
path = "20000101/build.tar.gz"
sha256 = hashlib.sha256((folder / path).read_bytes()).hexdigest()
build = dict(name="cpython", arch=dict(family="x86_64", variant=None), os="linux", libc="gnu", major=major, minor=minor,
             patch=patch, prerelease="", url=f"{{builds}}/{{path}}", sha256=sha256, variant=None, build="20000101")
name = "cpython-" + platform.python_version() + "-linux-x86_64-gnu"
(folder / "builds.json").write_text(json.dumps({{name: build}}))
END
"""
PACKAGES = "numpy, pandas, polars, pyarrow, duckdb, scipy, sklearn, statsmodels.api, seaborn, plotly, altair"


def test_the_default_kernel_is_the_data_science_one_beside_r(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        found = visitor.client.get(f"{workbench.url}jupyter/user/ada/api/kernelspecs").json()
        assert (set(found["kernelspecs"]), found["default"]) == ({"python3", "ir"}, "python3")
        assert found["kernelspecs"]["python3"]["spec"]["display_name"] == "Python 3 (data science)"
        assert visitor.run_code("import sys; print(sys.prefix)").strip() == uv.folder("python")


def test_all_that_is_promised_can_be_imported(workbench: Workbench) -> None:
    said = workbench.ssh(f"runuser -l grace -c 'python -c \"import {PACKAGES}; print(1)\"'").stdout
    assert said.strip() == "1"


def test_a_login_shell_finds_the_data_science_python_but_root_the_systems(workbench: Workbench) -> None:
    assert (
        workbench.ssh("runuser -l ada -c 'command -v python'").stdout.strip()
        == "/opt/workbench/python/bin/python"
    )
    assert workbench.ssh("bash -lc 'command -v python3'").stdout.strip() == "/usr/bin/python3"


def test_without_a_login_shell_people_find_what_terminals_find_and_root_what_debian_has(
    workbench: Workbench,
) -> None:
    find = "for name in python python3 pip R uv; do command -v $name; done"
    login = workbench.ssh(f"runuser -l grace -c '{find}'").stdout
    assert login.split()[:2] == [f"{python.BIN}/python", f"{python.BIN}/python3"]
    assert len(login.split()) == 5
    ssh = [*stacks.ssh_command(workbench.outputs)[:-1], f"grace@{workbench.outputs.address}"]
    for command in (find, f"sh -c '{find}'", f"bash -c '{find}'"):
        assert run([*ssh, command]).stdout == login, command
    units = run([*ssh, "systemctl --user show-environment"]).stdout.splitlines()
    assert [line.split(":")[0] for line in units if line.startswith("PATH=")] == [f"PATH={python.BIN}"]
    # The deploy's own commands, and all that sudo runs: apt and Debian's programs are Debian's Python's.
    assert workbench.ssh("command -v python3").stdout.strip() == "/usr/bin/python3"
    assert workbench.ssh("command -v python", check=False).stdout == ""
    assert workbench.ssh("systemctl show-environment | grep ^PATH=").stdout.count(python.BIN) == 0


def test_users_add_packages_of_their_own_which_never_hide_the_locked_ones(workbench: Workbench) -> None:
    code = "import json, site, sys; print(json.dumps([site.ENABLE_USER_SITE, site.getusersitepackages(), sys.path]))"
    workbench.ssh("runuser -l ada -c 'mkdir -p ~/.local/lib/python3.13/site-packages'")
    enabled, own, path = json.loads(workbench.ssh(f"runuser -l ada -c 'python -c \"{code}\"'").stdout)
    assert enabled
    assert own.startswith("/home/ada/.local/")
    locked = next(entry for entry in path if entry.startswith("/opt/workbench/python/"))
    shared = next(entry for entry in path if entry.endswith("/site-packages") and entry.startswith(locked))
    assert path.index(shared) < path.index(own)


def test_the_environments_of_a_new_host_are_begun_with_before_debians_packages(workbench: Workbench) -> None:
    begun = workbench.ssh("stat -c %Y /opt/workbench/*/pyvenv.cfg | sort | head -n 1").stdout
    installed = workbench.ssh("stat -c %Y /var/lib/dpkg/info/r-base-core.list").stdout
    assert float(begun) < float(installed)


def test_nobody_but_root_can_write_to_the_environments(workbench: Workbench) -> None:
    found = workbench.ssh(
        r"find /opt/workbench \( -not -user root -o -perm /022 \) -not -type l | head"
    ).stdout
    assert found == ""


def is_current(workbench: Workbench, name: str, digest: str) -> bool:
    """What the deploy finds out about an environment."""
    fact = uv.Current()
    return fact.process(workbench.ssh(fact.command(name, digest)).stdout.splitlines())


def test_a_missing_a_changed_and_a_half_made_environment_are_seen(workbench: Workbench) -> None:
    now = locks.digest("uv")
    marker = f"{uv.folder('uv')}/{uv.MARKER}"
    assert is_current(workbench, "uv", now)
    assert not is_current(workbench, "uv", "0123456789ab")
    assert not is_current(workbench, "absent", now)
    workbench.ssh(f"mv {marker} {marker}.away")
    try:
        assert not is_current(workbench, "uv", now)
    finally:
        workbench.ssh(f"mv {marker}.away {marker}")


def test_an_install_that_was_killed_is_made_whole_by_the_next(workbench: Workbench) -> None:
    index = workbench.settings_now.mirrors.pypi
    call = f"{PROGRAM} probe 0123456789ab" + (f" --index {index}" if index else "")
    workbench.ssh(
        "mkdir -p /etc/workbench/locks/probe && cp /etc/workbench/locks/{caddy,probe}/requirements.txt"
    )
    try:
        begun = "until [ -d /opt/workbench/probe-0123456789ab ]; do sleep 0.01; done"
        workbench.ssh(f"setsid {call} & {begun}; kill -KILL -- -$!")
        assert workbench.ssh("test -e /opt/workbench/probe", check=False).returncode != 0
        workbench.ssh(call)
        assert workbench.ssh("/opt/workbench/probe/bin/caddy version").stdout.startswith("v2.")
        assert is_current(workbench, "probe", "0123456789ab")
        assert workbench.ssh("ls -A /opt/workbench | grep -c cache", check=False).stdout.strip() == "0"
    finally:
        workbench.ssh("rm -rf /opt/workbench/probe* /etc/workbench/locks/probe")


def test_a_further_version_is_a_kernel_once_its_build_can_be_had(workbench: Workbench) -> None:
    changes = {"services": {"python": {"versions": ["3.13"]}}, "mirrors": {"python": ADDRESS}}
    kernels = "/usr/local/share/jupyter/kernels"
    with mirror(workbench, {}):
        with workbench.settings(**changes) as refused:
            assert refused.status != 0
            assert (
                f"Python 3.13 cannot be downloaded from {ADDRESS} (HTTP status client error (404"
                in refused.output
            )
            assert "mirrors.python names another place to get it from." in refused.output
            assert workbench.ssh(f"ls {kernels} /opt/python").stdout.count("3.13") == 0

            workbench.ssh(BUILD.format(folder=FOLDER, builds=versions.PYTHON_BUILDS))
            workbench.ssh(f"UV_PYTHON_DOWNLOADS_JSON_URL={ADDRESS}/builds.json {VERSIONS}")
            # What comes after it, and goes by the mirror too, the run that failed did not get to.
            assert workbench.apply().changed == ["environments | /etc/workbench/environments.json"]
            with Visitor(workbench.url, workbench.ca) as visitor:
                visitor.login("ada", workbench.password("ada"))
                visitor.spawn()
                code = "import sys; print(5 * 4, sys.prefix, sys.base_prefix)"
                said = visitor.run_code(code, kernel="python-3.13").split()
                assert said[:2] == ["20", "/opt/python/3.13"]
                assert said[2].startswith("/opt/python/.builds/")
            writable = r"find /opt/python \( -not -user root -o -perm /022 \) -not -type l"
            assert workbench.ssh(writable).stdout == ""
        assert workbench.ssh("ls -d /opt/python/*", check=False).stdout == ""
        assert workbench.ssh(f"ls {kernels}").stdout.split() == ["ir", "python3"]
