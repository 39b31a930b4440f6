"""Containers of users' own, as far as a host that is a container itself can show it.

Nested containers do not start here (crun cannot write to /proc/sys, which the lab mounts read-only), and no registry of
images can be reached: what is tested is that Podman sets itself up for a user without root, with that user's ids.
"""

import json

import pytest

from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


def test_users_get_podman_without_root_under_both_its_names_and_lose_it_when_it_is_off(
    workbench: Workbench,
) -> None:
    settings = {
        "services": {"docker": {"enabled": True}},
        "mirrors": {"docker": "https://mirror.example/hub"},
    }
    with workbench.settings(**settings) as applied:
        assert applied.status == 0, applied.output
        uid = int(workbench.ssh("id -u grace").stdout)
        # Over SSH, and as JupyterHub starts a notebook: without a session.
        notebook = "systemd-run --quiet --pipe --wait --uid=grace --setenv=HOME=/home/grace"
        for way in (
            "runuser -l grace -c 'docker info --format json'",
            f"{notebook} podman info --format json",
        ):
            info = json.loads(workbench.ssh(way).stdout)
            assert info["host"]["security"]["rootless"] is True
            assert info["store"]["graphRoot"] == "/home/grace/.local/share/containers/storage"
            assert info["host"]["idMappings"]["uidmap"][1]["host_id"] == (uid - 1001 + 2) * 65536
            assert info["registries"]["docker.io"]["Mirrors"][0]["Location"] == "mirror.example/hub"
        assert workbench.ssh("ss -Hxl | grep -E '(docker|podman).sock'", check=False).stdout == "", (
            "no daemon of root's"
        )
        workbench.ssh("runuser -l grace -c 'podman volume create keep'")
        assert {"ada", "grace"} <= set(workbench.ssh("ls /var/lib/systemd/linger").stdout.split())
        assert workbench.apply().changed == []
    assert workbench.ssh("command -v podman docker", check=False).stdout == ""
    assert workbench.ssh("ls /var/lib/systemd/linger").stdout == ""
    kept = "/home/grace/.local/share/containers/storage/volumes/keep"
    assert workbench.ssh(f"test -d {kept} && rm -rf /home/grace/.local/share/containers").returncode == 0
