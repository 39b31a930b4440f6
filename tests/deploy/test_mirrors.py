"""Users' own pip, uv and npm on a real host, and what a mirror that is none is called."""

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

# What docs/environments.md tells people to do.
KERNEL = (
    "mkdir -p ~/birds && cd ~/birds && uv init --bare && uv add ipykernel && "
    "uv run python -m ipykernel install --user --name birds"
)


def test_a_users_own_environment_is_a_kernel_by_one_command(workbench: Workbench) -> None:
    try:
        workbench.ssh(f"runuser -l ada -c '{KERNEL}'")
        with Visitor(workbench.url, workbench.ca) as visitor:
            visitor.login("ada", workbench.password("ada"))
            visitor.spawn()
            found = visitor.client.get(f"{workbench.url}jupyter/user/ada/api/kernelspecs").json()
            assert {"python3", "birds"} <= set(found["kernelspecs"])
            python = found["kernelspecs"]["birds"]["spec"]["argv"][0]
        assert python == "/home/ada/birds/.venv/bin/python"
        said = workbench.ssh(f"runuser -l ada -c '{python} -c \"import ipykernel, sys; print(sys.prefix)\"'")
        assert said.stdout.strip() == "/home/ada/birds/.venv"
    finally:
        workbench.ssh("rm -rf /home/ada/birds /home/ada/.local/share/jupyter/kernels/birds")


def test_mirrors_that_give_out_nothing_are_named_and_nothing_breaks(workbench: Workbench) -> None:
    # The proxy's port 80 answers every path with a redirect to where there is nothing.
    url = "http://127.0.0.1/nothing"
    with workbench.settings(mirrors={"pypi": url, "npm": url}) as applied:
        assert applied.status == 0, applied.output  # what is installed already needs no mirror
        as_user = "runuser -l grace -c '{}'"
        assert url in workbench.ssh(as_user.format("pip config list")).stdout
        assert (
            url
            in workbench.ssh(as_user.format("/opt/workbench/jupyterhub/bin/npm config get registry")).stdout
        )
        assert (
            url
            in workbench.ssh(as_user.format("uv pip install --dry-run -v cowsay 2>&1"), check=False).stdout
        )
        workbench.ssh(
            "mkdir -p /etc/workbench/locks/probe && cp /etc/workbench/locks/{caddy,probe}/requirements.txt"
        )
        try:
            call = f"/usr/local/lib/workbench/host/bin/environment probe 0123456789ab --index {url}"
            done = workbench.ssh(call, check=False)
            assert done.returncode == 1
            assert (
                f"The environment probe could not be installed: workbench:mirrors.pypi is {url}"
                in done.stderr
            )
            assert workbench.ssh("ls /opt/workbench | grep -c probe$", check=False).stdout.strip() == "0"
        finally:
            workbench.ssh("rm -rf /opt/workbench/probe* /etc/workbench/locks/probe")


def test_an_archive_that_is_none_is_named_when_something_is_to_be_installed(workbench: Workbench) -> None:
    url = "http://127.0.0.1/debian"
    with workbench.settings(mirrors={"debian": url}, services={"docker": {"enabled": True}}) as applied:
        assert applied.status != 0
        said = " ".join(applied.output.split())
        assert f"workbench:mirrors.debian is {url}, which apt cannot use as a Debian archive." in said
