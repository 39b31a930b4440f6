"""Settings of packages for everybody: what is taken, and the one sentence for each thing that is not."""

from typing import Any

import pytest

from workbench.config import SettingsError, parse

GEO = {"name": "geo", "python": "3.13", "requirements": "geo.txt"}
STATS = {"name": "stats", "r": "4.5", "packages": ["tiny"]}


def complaint(config: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse({**config, **{f"workbench:{key}": value for key, value in changes.items()}})
    return str(caught.value)


def test_environments_of_python_and_of_r_are_taken(config: dict[str, Any]) -> None:
    further = {"name": "old", "r": "4.2", "renvLock": "old/renv.lock"}
    services = {"r": {"versions": [{"version": "4.2.3"}]}}
    settings = parse(
        {**config, "workbench:environments": [GEO, STATS, further], "workbench:services": services}
    )
    assert [(one.language, one.version, one.source) for one in settings.environments] == [
        ("Python", "3.13", ("requirements", "geo.txt")),
        ("R", "4.5", None),
        ("R", "4.2", ("renvLock", "old/renv.lock")),
    ]


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        ({"name": "Geo"}, 'environments[0].name is "Geo", which is no name of an environment'),
        ({"name": "g" * 33}, "which is no name of an environment; takes at most 32"),
        ({"name": "../x"}, "which is no name of an environment"),
        ({"name": "geo-"}, "which is no name of an environment"),
        (
            {"name": "python", "python": "3.12"},
            'is python, the default environment, so that it takes python: "3.13"',
        ),
        (
            {"name": "r"},
            'environments[0] is r, the default environment, so that it takes r: "4.5", which is Debian',
        ),
        ({"name": "python3"}, 'environments[0].name is "python3", which is a kernel that there is anyway'),
        ({"name": "ir"}, "which is a kernel that there is anyway; choose another name"),
        ({"name": "python-3.12"}, "which is no name of an environment"),
        ({"name": "r-4"}, "which is a kernel that there is anyway"),
        (
            {"python": "2.7"},
            'environments[0].python is "2.7", which is no version of Python that a kernel runs on',
        ),
        ({"python": 3.13}, "environments[0].python is 3.13; takes text: quote it."),
        ({"requirements": None}, "environments[0] has no requirements; takes the path of a file"),
        ({"requirements": "/etc/passwd"}, "which is no path from the stack file's folder"),
        ({"requirements": ""}, "which is no path from the stack file's folder"),
        ({"packages": ["sf"]}, "environments[0].packages is for R, and this environment is of Python"),
        ({"renvLock": "renv.lock"}, "environments[0].renvLock is for R, and this environment is of Python"),
        ({"r": "4.5"}, "environments[0] has both python and r; takes python:"),
        ({"python": None}, "environments[0] has neither python nor r; takes python:"),
        ({"pyton": "3.13"}, "environments[0].pyton is not a setting (perhaps python was meant)."),
    ],
)
def test_an_environment_of_python_that_cannot_be_is_one_sentence(
    config: dict[str, Any], one: dict[str, Any], sentence: str
) -> None:
    wrong = {key: value for key, value in {**GEO, **one}.items() if value is not None}
    said = complaint(config, environments=[wrong])
    assert sentence in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (
            {"r": "4.5.1"},
            'environments[0].r is "4.5.1", which is no version of R; takes its first two numbers',
        ),
        (
            {"r": "4.2"},
            "environments[0].r is 4.2, but the host has 4.5; takes one of them, or name a release of it",
        ),
        (
            {"packages": ["sf==1.0"]},
            'environments[0].packages[0] is "sf==1.0", which is no name of an R package',
        ),
        ({"packages": ["../x"]}, "which is no name of an R package"),
        ({"packages": ["sf", "sf"]}, "environments[0].packages[1] is sf a second time"),
        ({"packages": []}, "environments[0] has neither renvLock nor packages; takes one of them."),
        ({"renvLock": "renv.lock"}, "environments[0] has both renvLock and packages; takes one of them."),
        (
            {"requirements": "x.txt"},
            "environments[0].requirements is for Python, and this environment is of R",
        ),
    ],
)
def test_an_environment_of_r_that_cannot_be_is_one_sentence(
    config: dict[str, Any], one: dict[str, Any], sentence: str
) -> None:
    said = complaint(config, environments=[{**STATS, **one}])
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_the_default_environments_may_be_the_teams(config: dict[str, Any]) -> None:
    both = [{**GEO, "name": "python"}, {**STATS, "name": "r"}]
    assert [one.name for one in parse({**config, "workbench:environments": both}).environments] == [
        "python",
        "r",
    ]
    off = {"python": {"enabled": False}}
    said = complaint(config, environments=both, services=off)
    assert (
        said
        == "workbench:environments[0].name is python, but services.python.enabled is false; set that to true."
    )


def test_an_environment_of_r_is_refused_on_arm_where_its_lock_is_of_binaries(config: dict[str, Any]) -> None:
    wanted = {"size": "t4g.large", "services": {"rstudio": {"enabled": False}}, "environments": [GEO, STATS]}
    said = complaint(config, **wanted)
    assert "workbench:environments[1].r is set, but t4g.large is an ARM type, and locks of R hold for" in said
    for changes in (
        {"environments": [GEO]},
        {"mirrors": {"cran": "https://cran.example"}},
        {"size": "t3.large"},
    ):
        parse({**config, **{f"workbench:{key}": value for key, value in {**wanted, **changes}.items()}})


def test_two_of_one_name_and_one_of_r_without_r_are_refused(config: dict[str, Any]) -> None:
    said = complaint(config, environments=[GEO, {**STATS, "name": "geo"}])
    assert said == "workbench:environments[1].name is geo a second time; once is enough."
    off = {"r": {"enabled": False}, "rstudio": {"enabled": False}}
    said = complaint(config, environments=[STATS], services=off)
    assert said == "workbench:environments[0].r is set, but services.r.enabled is false; set that to true."


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        (
            {"packages": ["libgdal-dev="]},
            'base.packages[0] is "libgdal-dev=", which is no name of a Debian package',
        ),
        ({"packages": ["nano-"]}, "which is no name of a Debian package; takes one such as libgdal-dev"),
        ({"packages": ["-o=Dir"]}, "which is no name of a Debian package"),
        ({"packages": ["a b"]}, "which is no name of a Debian package"),
        ({"packages": ["curl:arm64"]}, "which is no name of a Debian package"),
        ({"packages": ["nano", "nano"]}, "workbench:services.base.packages[1] is nano a second time"),
        ({"packages": "nano"}, 'workbench:services.base.packages is "nano"; takes a list.'),
        ({"buildTools": "yes"}, 'workbench:services.base.buildTools is "yes"; takes true or false.'),
    ],
)
def test_debian_packages_that_cannot_be_are_one_sentence(
    config: dict[str, Any], base: dict[str, Any], sentence: str
) -> None:
    assert sentence in complaint(config, services={"base": base})


def test_debian_packages_are_taken_as_debian_writes_them(config: dict[str, Any]) -> None:
    names = ["libgdal-dev", "g++", "libstdc++6", "r-cran-sf", "python3.13-venv", "0ad"]
    settings = parse({**config, "workbench:services": {"base": {"packages": names, "buildTools": True}}})
    assert settings.services.base.packages == names
