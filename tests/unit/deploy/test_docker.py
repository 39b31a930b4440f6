"""Where images of users' containers come from."""

import tomllib

import pytest

from deploy.files import render


@pytest.mark.parametrize("plain", [False, True])
def test_a_mirror_of_images_goes_before_docker_hub(plain: bool) -> None:
    with_mirror = tomllib.loads(render("docker/registries.conf.j2", mirror="mirror.example/hub", plain=plain))
    assert with_mirror["registry"] == [
        {"location": "docker.io", "mirror": [{"location": "mirror.example/hub", "insecure": plain}]}
    ]
    without = tomllib.loads(render("docker/registries.conf.j2", mirror="", plain=False))
    assert without == {"unqualified-search-registries": ["docker.io"]}
