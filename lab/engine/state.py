"""What a stack consists of, and the file that remembers it.

The checkpoint stands where the Pulumi CLI's file backend keeps its own
(`.pulumi/stacks/<project>/<stack>.json`), in nearly its form, but with a version number that the CLI does
not know: each refuses what the other made, instead of going on from a state it would misread.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.engine.crypto import Crypter
from lab.engine.files import write_atomically
from lab.engine.values import SECRET_SIGNATURE, SIGNATURE_KEY, Props, map_secrets, secret
from workbench.errors import WorkbenchError

VERSION = 9000
MADE_BY = "the lab's stand-in for the Pulumi CLI (python -m lab.engine)"
ROOT_STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"

_JSON_NAMES = {"property_dependencies": "propertyDependencies", "retain_on_delete": "retainOnDelete"} | {
    "additional_secret_outputs": "additionalSecretOutputs",
    "init_errors": "initErrors",
    "import_id": "importID",
    "delete_timeout": "deleteTimeout",
    "ignore_changes": "ignoreChanges",
}


@dataclass(eq=False)
class Resource:
    """One resource as it was last seen. `inputs` and `outputs` are wire values (see lab.engine.values).

    `delete` marks the old half of a replacement, which is still to be deleted. `delete_timeout` in seconds.
    """

    urn: str
    type: str
    custom: bool
    id: str = ""
    delete: bool = False
    parent: str = ""
    provider: str = ""
    inputs: Props = field(default_factory=dict)
    outputs: Props = field(default_factory=dict)
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    external: bool = False
    retain_on_delete: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    import_id: str = ""
    delete_timeout: float = 0.0
    created: str = ""
    modified: str = ""

    @property
    def name(self) -> str:
        return self.urn.split("::", 3)[3]

    @property
    def is_provider(self) -> bool:
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def is_default_provider(self) -> bool:
        return self.is_provider and (self.name == "default" or self.name.startswith("default_"))

    def needs(self) -> set[str]:
        """The URNs of all that must be there before this resource and may go only after it."""
        urns = {*self.dependencies, *(urn for urns in self.property_dependencies.values() for urn in urns)}
        if self.parent:
            urns.add(self.parent)
        if self.provider:
            urns.add(provider_urn(self.provider))
        return urns

    def to_json(self, seal: Callable[[Any], Any]) -> dict[str, Any]:
        """For a file; `seal` turns each secret into what may be written there."""
        data = {}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if value or spec.name in ("urn", "type", "custom"):
                data[_JSON_NAMES.get(spec.name, spec.name)] = value
        for name in ("inputs", "outputs"):
            if name in data:
                data[name] = map_secrets(data[name], seal)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any], crypter: Crypter | None) -> "Resource":
        """From the checkpoint; without a crypter secrets keep their encrypted form."""
        values = {
            spec.name: data.get(_JSON_NAMES.get(spec.name, spec.name)) for spec in dataclasses.fields(cls)
        }
        resource = cls(**{name: value for name, value in values.items() if value is not None})
        if crypter is not None:
            resource.inputs = map_secrets(resource.inputs, lambda mark: _opened(mark, crypter))
            resource.outputs = map_secrets(resource.outputs, lambda mark: _opened(mark, crypter))
        return resource


def short_type(type_: str) -> str:
    """`aws:ec2:Vpc` for `aws:ec2/vpc:Vpc`."""
    parts = type_.split(":")
    return f"{parts[0]}:{parts[1].split('/')[0]}:{parts[2]}" if len(parts) == 3 else type_


def _sealed(mark: Any, crypter: Crypter | None) -> Any:
    if "ciphertext" in mark:
        return mark
    if crypter is None:
        raise WorkbenchError("the state holds secrets and the stack has no passphrase to encrypt them with")
    return {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": crypter.encrypt(json.dumps(mark["value"]))}


def _opened(mark: Any, crypter: Crypter) -> Any:
    return secret(json.loads(crypter.decrypt(mark["ciphertext"])))


def provider_urn(reference: str) -> str:
    """The URN in a provider reference, which is `<urn>::<id>`."""
    return reference.rsplit("::", 1)[0]


@dataclass
class Operation:
    """A change that was under way: one of creating, updating, deleting, importing."""

    kind: str
    resource: Resource


@dataclass
class Checkpoint:
    """All that the file holds. `salt` is a copy of the stack file's, should that be lost."""

    stack: str
    salt: str = ""
    resources: list[Resource] = field(default_factory=list)
    pending: list[Operation] = field(default_factory=list)

    def root(self) -> Resource | None:
        return next((item for item in self.resources if item.type == ROOT_STACK_TYPE), None)


class Store:
    """The checkpoints of a project in the folder of a file backend."""

    def __init__(self, backend: Path, project: str) -> None:
        self._home = backend / ".pulumi"
        self._stacks = self._home / "stacks" / project
        self._project = project

    def path(self, stack: str) -> Path:
        return self._stacks / f"{stack}.json"

    def lock_path(self, stack: str) -> Path:
        return self._home / "locks" / self._project / f"{stack}.stand-in.lock"

    @property
    def selection_path(self) -> Path:
        return self._home / f"stand-in-selected-{self._project}"

    def exists(self, stack: str) -> bool:
        return self.path(stack).exists()

    def names(self) -> list[str]:
        """The stacks that the stand-in made."""
        return sorted(file.stem for file in self._stacks.glob("*.json") if self._is_ours(file))

    def _is_ours(self, file: Path) -> bool:
        try:
            self._parse(file)
        except WorkbenchError:
            return False
        return True

    def _parse(self, file: Path) -> dict[str, Any]:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            version = data["version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkbenchError(f"the state in {file} cannot be read: {error}") from error
        if version != VERSION:
            raise WorkbenchError(
                f"stack {file.stem} was made by the Pulumi CLI (checkpoint version {version} in {file}): use that CLI"
                f" for it, or set PULUMI_BACKEND_URL to another folder for the lab's stand-in"
            )
        checkpoint: dict[str, Any] = data["checkpoint"]
        return checkpoint

    def refuse_foreign(self, stack: str) -> None:
        """Raise WorkbenchError where the CLI keeps a stack of this name."""
        if self.exists(stack):
            self._parse(self.path(stack))
        packed = [
            file for ending in ("gz", "zst") if (file := self._stacks / f"{stack}.json.{ending}").exists()
        ]
        if packed:
            raise WorkbenchError(
                f"stack {stack} was made by the Pulumi CLI ({packed[0]}): use that CLI for it, or set"
                f" PULUMI_BACKEND_URL to another folder for the lab's stand-in"
            )

    def raw(self, stack: str) -> dict[str, Any]:
        """The deployment as the file has it, for `stack export`."""
        deployment: dict[str, Any] = self._parse(self.path(stack))["latest"]
        return deployment

    def load(self, stack: str, crypter: Crypter | None) -> Checkpoint:
        """The stack's checkpoint; without a crypter its secrets stay encrypted."""
        latest = self.raw(stack)
        return Checkpoint(
            stack=stack,
            salt=latest["secrets_providers"]["state"]["salt"],
            resources=[Resource.from_json(item, crypter) for item in latest["resources"]],
            pending=[
                Operation(item["type"], Resource.from_json(item["resource"], crypter))
                for item in latest["pending_operations"]
            ],
        )

    def save(self, checkpoint: Checkpoint, crypter: Crypter | None) -> None:
        """Write the checkpoint, whole or not at all; secrets encrypted, mode 0600."""
        self._claim_backend()

        def seal(mark: Any) -> Any:
            return _sealed(mark, crypter)

        latest = {
            "manifest": {"time": now(), "version": "stand-in"},
            "secrets_providers": {"type": "passphrase", "state": {"salt": checkpoint.salt}},
            "resources": [item.to_json(seal) for item in checkpoint.resources],
            "pending_operations": [
                {"resource": item.resource.to_json(seal), "type": item.kind} for item in checkpoint.pending
            ],
        }
        whole = {
            "version": VERSION,
            "madeBy": MADE_BY,
            "checkpoint": {"stack": f"organization/{self._project}/{checkpoint.stack}", "latest": latest},
        }
        write_atomically(self.path(checkpoint.stack), json.dumps(whole, indent=1, ensure_ascii=False) + "\n")

    def _claim_backend(self) -> None:
        # Without this file the CLI takes a backend with stacks in it for one of its oldest layout.
        meta = self._home / "meta.yaml"
        if not meta.exists():
            write_atomically(meta, "version: 1\n", mode=0o644)

    def remove(self, stack: str) -> None:
        self.path(stack).unlink()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
