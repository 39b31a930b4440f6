"""Where the lab keeps things: its home (what it knows and holds) and its cache (what can be made again)."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


def project_root() -> Path:
    """The folder with Pulumi.yaml: the nearest one at or above the working directory, else this clone's."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return Path(__file__).resolve().parent.parent


def home() -> Path:
    """The lab's home: $WORKBENCH_LAB_DIR, else .lab in the project."""
    given = os.environ.get("WORKBENCH_LAB_DIR")
    return Path(given).resolve() if given else project_root() / ".lab"


def cache() -> Path:
    """Where downloads and built images are kept: .cache in the project; survives a purge."""
    return project_root() / ".cache"


@dataclass(frozen=True)
class Layout:
    """Every file and folder of one lab, by name."""

    root: Path

    @property
    def id(self) -> str:
        """Eight hex digits that mark what is this lab's (containers, firewall rules) outside its home.

        Made from the home's path and its parent's inode, not drawn by lot: so what a removed home left
        behind is still recognised, and another machine's (a chroot's) lab of the same path is not.
        """
        parent = self.root.parent
        inode = parent.stat().st_ino if parent.exists() else 0
        return hashlib.sha256(f"{self.root}:{inode}".encode()).hexdigest()[:8]

    @property
    def prefix(self) -> str:
        """What the names of this lab's containers, network and loop marks begin with."""
        return f"workbench-{self.id}"

    @property
    def lock(self) -> Path:
        """Locked by the daemon as long as it lives; holds its process id."""
        return self.root / "daemon.lock"

    @property
    def start_lock(self) -> Path:
        """Locked while somebody starts the lab."""
        return self.root / "start.lock"

    @property
    def log(self) -> Path:
        return self.root / "daemon.log"

    @property
    def ports(self) -> Path:
        """JSON: the ports of the API and of the provider, chosen once."""
        return self.root / "ports.json"

    @property
    def memory(self) -> Path:
        """The API's memory: what moto knows, pickled."""
        return self.root / "memory.pickle"

    @property
    def faults(self) -> Path:
        """JSON: what tests want to go wrong (lab/faults.py)."""
        return self.root / "faults.json"

    @property
    def runtime(self) -> Path:
        """JSON: which container runtime and flags were found to work."""
        return self.root / "runtime.json"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def instances(self) -> Path:
        """A folder an instance: its cloud-init seed and its console's log."""
        return self.root / "instances"

    @property
    def ssh_key(self) -> Path:
        return self.root / "ssh" / "id_ed25519"

    @property
    def passphrase(self) -> Path:
        return self.root / "pulumi-passphrase"

    @property
    def pulumi(self) -> Path:
        return self.root / "pulumi"

    @property
    def pulumi_home(self) -> Path:
        """What the Pulumi CLI keeps for itself beside its states, which is ~/.pulumi elsewhere."""
        return self.root / "pulumi-home"

    def make(self) -> None:
        """Make the folders, for the owner alone."""
        for folder in (
            self.root,
            self.volumes,
            self.snapshots,
            self.instances,
            self.ssh_key.parent,
            self.pulumi,
            self.pulumi_home,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
