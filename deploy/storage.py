"""The data volume: homes, accounts, host keys, certificates and the hub's state live on it and outlive the server.

It is mounted on /srv/workbench, and its folder `home` once more on /home. Units that need it say `RequiresMountsFor=`
both, so that a missing volume means a stopped service and never an empty home on the system's disk. All decisions are
taken on the host (workbench_host/volume), when the device is there. A unit follows the device: what waits for a volume
that comes late goes on by itself, and ends when it vanishes.
"""

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.stack import Context
from workbench_host.volume.content import LABEL

PACKAGES = ("e2fsprogs",)
UNIT = "workbench-volume.service"
# systemd's name of /dev/disk/by-label/LABEL (systemd.unit(5), "String escaping for inclusion in unit names").
DEVICE = r"dev-disk-by\x2dlabel-" + LABEL.replace("-", r"\x2d") + ".device"


@deploy("storage")
def storage(context: Context) -> None:
    """Waits for the volume, makes its filesystem where it is blank, mounts it, and grows it to the volume's size."""
    facts = context.outputs
    programs.run(
        program="volume", arguments=[facts.volume_id, facts.volume_device()], name="Mount the data volume"
    )
    files.template(
        f"storage/{UNIT}.j2",
        f"{units.UNITS}/{UNIT}",
        variables={"device": DEVICE, "program": program_path("volume-presence")},
    )
    units.service(unit=UNIT, name=f"Run {UNIT}")


SERVICE = Service(storage, lambda _: PACKAGES, system=True)
