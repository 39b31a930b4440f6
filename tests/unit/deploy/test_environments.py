"""Packages for everybody, as the deploy hands them to the host, and what the host's R is told of libraries."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from deploy import apt, environments
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench import team
from workbench.settings import Environment, Mirrors
from workbench.settings.services import Services
from workbench_host.team import libraries

GEO = Environment.model_validate({"name": "geo", "python": "3.13", "requirements": "geo.txt"})


def services(**base: object) -> Services:
    return Services.model_validate({"base": base})


def test_compilers_come_where_they_are_asked_for_and_rs_headers_where_there_is_r() -> None:
    assert environments.wanted_packages(services()) == []
    assert environments.wanted_packages(services(packages=["tree"])) == ["tree"]
    with_tools = environments.wanted_packages(services(packages=["tree"], buildTools=True))
    assert with_tools == [*environments.BUILD_TOOLS, *environments.R_BUILD_TOOLS, "tree"]
    off = {"base": {"buildTools": True}, "r": {"enabled": False}}
    assert "r-base-dev" not in environments.wanted_packages(Services.model_validate(off))


def test_the_host_is_told_of_each_environment_with_its_lock_and_its_key() -> None:
    lock = team.Lock(GEO, team.header(GEO, "six") + "six==1.17.0\n")
    mirrors = Mirrors.model_validate({"pypi": "https://pypi.example/simple", "cran": "https://cran.example"})
    told = json.loads(environments.wanted([lock], mirrors, services(packages=["tree"])))
    assert (told["index"], told["builds"], told["cran"]) == (mirrors.pypi, None, mirrors.cran)
    assert (told["debian"], told["build"]) == (["tree"], False)
    assert json.loads(environments.wanted([], mirrors, services(buildTools=True)))["build"]
    [one] = told["environments"]
    assert one == {
        "name": "geo",
        "language": "Python",
        "version": "3.13",
        "digest": lock.digest,
        "lock": lock.text,
        "setting": "workbench:environments[0]",
    }


@pytest.mark.parametrize(
    ("names", "absent"), [(["tree", "nano"], ""), (["tree", "none", "nor-this"], "none nor-this")]
)
def test_a_package_that_the_archive_does_not_have_is_told_by_its_key(
    tmp_path: Path, names: list[str], absent: str
) -> None:
    cache = tmp_path / "apt-cache"
    cache.write_text('#!/bin/sh\ncase "$2" in tree|nano) exit 0;; esac\nexit 100\n')
    cache.chmod(0o755)
    script = apt.unknown_script(names, "workbench:services.base.packages")
    done = subprocess.run(
        ["sh", "-c", f"PATH={tmp_path}; {{ {script}; }} && echo installing"],
        capture_output=True,
        text=True,
        check=False,
    )
    if absent:
        assert done.returncode != 0
        assert done.stdout == ""
        assert done.stderr.startswith(
            f"workbench:services.base.packages has {absent}, which Debian trixie does not have;"
        )
    else:
        assert (done.stdout, done.stderr) == ("installing\n", "")


@needs("dash")
def test_rs_make_is_debians_or_says_which_setting_brings_one(tmp_path: Path) -> None:
    text = (TEMPLATES / "r" / "make").read_text()
    without = text.replace("/usr/bin/make", str(tmp_path / "make"))
    done = subprocess.run(["dash", "-c", without], capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "services.base.buildTools: true" in done.stderr
    (tmp_path / "make").write_text('#!/bin/sh\necho "made $*"\n')
    (tmp_path / "make").chmod(0o755)
    done = subprocess.run(
        ["dash", "-c", without, "make", "-j", "2"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "made -j 2\n"


def test_r_is_told_of_all_libraries_whose_package_is_known() -> None:
    text = render("r/libraries.R.j2", packages=libraries.PACKAGES)
    assert dict(re.findall(r'^    "(\S+)" = "(\S+)",?$', text, re.MULTILINE)) == libraries.PACKAGES
    assert libraries.package_of("libgdal.so.36") == "libgdal-dev"
    assert libraries.package_of("libMagick++-7.Q16.so.5") == "libmagick++-dev"
    assert libraries.package_of("libnothing.so") is None
