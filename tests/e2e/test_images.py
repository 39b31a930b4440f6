"""A workbench that comes back from an image: in what time, with what, and what is not in the image."""

import json
import subprocess
import time
from pathlib import Path

import boto3
import pytest

from lab.paths import Layout, home
from lab.visitor import Visitor
from tests import dataset
from tests.workbench_in_lab import PASSWORDS, Workbench
from workbench import stackfile
from workbench_host.image import leftovers

pytestmark = [pytest.mark.lab, pytest.mark.long]

# Of the time without an image, with other work beside (0.49 was seen). What it is on a quiet machine, the bench says.
AT_MOST = 0.6
DATA = "/home/ada/of-all-kinds"
WHO = (
    "id ada; id grace; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; "
    "sha256sum /srv/workbench/jupyterhub/jupyterhub_cookie_secret; grep -E '^(ada|grace):' /etc/shadow | cut -d: -f1,2"
)


def returned(workbench: Workbench, size: str) -> float:
    """Seconds from the command to a login that has computed."""
    began = time.monotonic()
    workbench.command("up", "--yes", "--size", size)
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", PASSWORDS["ada"])
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"
    return time.monotonic() - began


def file_system(image: str) -> Path:
    """Where the lab has an image's files: those of the machine that it was made of."""
    (told,) = boto3.client("ec2").describe_images(ImageIds=[image])["Images"]
    name = f"{Layout(home()).prefix}-{told['SourceInstanceId']}"
    done = subprocess.run(["podman", "mount", name], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def holders(root: Path, text: str) -> list[str]:
    """The files below /etc, /var, /root, /home, /srv, /usr/local and /opt that have a text in them, by grep."""
    folders = [str(root / name) for name in ("etc", "var", "root", "home", "srv", "usr/local", "opt")]
    done = subprocess.run(["grep", "-rlF", "--", text, *folders], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_it_comes_back_much_sooner_with_all_that_was_there(workbench: Workbench) -> None:
    dataset.make(workbench, DATA, 200)
    before = (dataset.told(workbench, DATA), workbench.ssh(WHO).stdout)
    own = workbench.ssh("cat /etc/machine-id").stdout.strip()
    secrets = {
        "the server's machine-id": own,
        "its host key": workbench.ssh("cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub").stdout.strip(),
        "the administrator's key": workbench.settings_now.admin_ssh_keys[0].split()[1],
        "a user": "grace:x:",  # as in passwd(5) and group(5)
        "the CA's certificate": workbench.ca.read_text().splitlines()[3],
        "the hub's secret": workbench.ssh("cat /srv/workbench/jupyterhub/jupyterhub_cookie_secret").stdout[
            :32
        ],
    }
    secrets |= {
        f"the hash of {user.name}": user.password_hash.get_secret_value()
        for user in workbench.settings_now.users
        if user.password_hash
    }

    workbench.command("destroy", "--yes")
    without = returned(workbench, "m6i.large")
    began = time.monotonic()
    workbench.command("bake")
    baked = time.monotonic() - began
    (image,) = json.loads(workbench.command("images", "--json").stdout)["images"]
    try:
        said = " ".join(workbench.command("destroy", "--yes").stdout.split())
        assert f"images (1, at most 20 GiB): about {image['usd_per_month_at_most']:.2f} USD a month" in said
        root = file_system(image["id"])
        assert leftovers.found(str(root)) == []
        for what, secret in secrets.items():
            assert secret, what
            assert holders(root, secret) == [], what

        took = returned(workbench, "t3.medium")
        print(f"without an image {without:.1f} s, from one {took:.1f} s, baked in {baked:.1f} s")
        (told,) = json.loads(workbench.command("images", "--json").stdout)["images"]
        assert told["servers"] == [workbench.outputs.instance_id]
        assert (dataset.told(workbench, DATA), workbench.ssh(WHO).stdout) == before
        assert len(workbench.ssh("cat /etc/machine-id").stdout.strip()) == 32
        assert workbench.ssh("cat /etc/machine-id").stdout.strip() != own
        assert workbench.apply().changed == []
        assert "Stack" in workbench.command("doctor", check=False).stdout
        assert took <= AT_MOST * without, (took, without)
    finally:
        workbench.ssh(f"rm -rf {DATA}", check=False)
        workbench.command("delete-image", "all", "--yes")
    assert stackfile.size_of(workbench.stack) == "t3.medium"
