"""The configuration of users' pip, uv and npm, as their parsers read it."""

import configparser
import tomllib

from deploy.files import render

URL = "https://mirror.example.org/simple"


def test_pip_takes_the_mirror_and_trusts_an_address_without_tls_only_when_it_is_one() -> None:
    def parsed(**variables: object) -> dict[str, str]:
        parser = configparser.ConfigParser()
        parser.read_string(render("mirrors/pip.conf.j2", **variables))
        return dict(parser["global"])

    assert parsed(url=URL, plain=False, host="mirror.example.org") == {"index-url": URL}
    plain = parsed(url="http://m.example:8080/simple", plain=True, host="m.example:8080")
    assert plain == {"index-url": "http://m.example:8080/simple", "trusted-host": "m.example:8080"}
    assert parsed(url=None, plain=False, host="") == {}


def test_uv_takes_the_mirror_in_place_of_the_public_index() -> None:
    found = tomllib.loads(render("mirrors/uv.toml.j2", url=URL, builds="http://mirror.example/python"))
    assert found["python-install-mirror"] == "http://mirror.example/python"
    assert found["index"] == [{"url": URL, "default": True}]
    assert "index" not in tomllib.loads(render("mirrors/uv.toml.j2", url=None, builds=None))


def test_npm_takes_the_mirror() -> None:
    registry = "https://mirror.example.org/npm"
    assert f"registry={registry}/" in render("mirrors/npmrc.j2", url=registry).splitlines()
    assert "registry" not in render("mirrors/npmrc.j2", url=None)
