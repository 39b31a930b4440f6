"""The data volume: homes, accounts, host keys, certificates and the hub's state live on it and outlive the server.

It is mounted on /srv/workbench, and its folder `home` once more on /home. Units that need it say `RequiresMountsFor=`
both, so that a missing volume means a stopped service and never an empty home on the system's disk. All decisions are
taken on the host (workbench_host/volume), when the device is there.
"""

from pyinfra.api.deploy import deploy

from deploy import programs
from deploy.service import Service
from workbench.stack import Context

PACKAGES = ("e2fsprogs",)


@deploy("storage")
def storage(context: Context) -> None:
    """Waits for the volume, makes its filesystem where it is blank, mounts it, and grows it to the volume's size."""
    facts = context.outputs
    programs.run(
        program="volume", arguments=[facts.volume_id, facts.volume_device()], name="Mount the data volume"
    )


SERVICE = Service(storage, lambda _: PACKAGES, system=True)
