"""What a stack's volumes and snapshots are to it, by their tag Role: what infra declares and the command moves.

At any moment one volume at most is DATA. A restore makes another as INCOMING, has it take the data volume's place and
name, and keeps the old one as KEPT; so that wherever it is cut off, the roles say how far it came.
"""

DATA = "data"
INCOMING = "data-restoring"
KEPT = "data-before-restore"
COPY = "copy"  # a throw-away volume, to look into a snapshot
SNAPSHOT = "snapshot"
ROOT = "root"  # the server's own disk
BUILDER = "builder"  # those of a builder, which go with it (workbench/images.py)

NAMES = {  # what people are told
    ROOT: "root disk",
    BUILDER: "disk of a builder",
    DATA: "data volume",
    INCOMING: "volume of a restore that has not ended",
    KEPT: "volume kept from before a restore",
    COPY: "throw-away volume",
}

MADE = "Made"  # a snapshot's tag: how it came about
BY_HAND, DAILY, FINAL = "by hand", "daily", "final"
DEVICE = "/dev/sdf"  # how the data volume is attached; on the host it is Outputs.volume_device()
