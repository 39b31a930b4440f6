"""The state of a stack while a run changes it."""

import threading

from lab.engine.crypto import Crypter
from lab.engine.state import Checkpoint, Operation, Resource, Store


class Snapshot:
    """The state while a run changes it, saved at each step: what this run has settled (`new`, in the order
    of settling), then what it has not come to yet (`old`). Safe to use from several threads.

    With no store it is the state of a preview, and nothing is kept.
    """

    def __init__(self, checkpoint: Checkpoint, store: Store | None, crypter: Crypter | None) -> None:
        self.stack = checkpoint.stack
        self.old = list(checkpoint.resources)
        self.new: list[Resource] = []
        self.pending = list(checkpoint.pending)
        self._salt = checkpoint.salt
        self._store = store
        self._crypter = crypter
        self._lock = threading.RLock()

    def checkpoint(self) -> Checkpoint:
        with self._lock:
            return Checkpoint(self.stack, self._salt, [*self.new, *self.old], list(self.pending))

    def find_old(self, urn: str) -> Resource | None:
        """What the last run left under this URN and this one has not come to, the old halves of replacements apart."""
        with self._lock:
            return next((item for item in self.old if item.urn == urn and not item.delete), None)

    def find_new(self, urn: str) -> Resource | None:
        with self._lock:
            return next((item for item in self.new if item.urn == urn), None)

    def everything(self) -> list[Resource]:
        with self._lock:
            return [*self.new, *self.old]

    def begin(self, kind: str, resource: Resource) -> Operation:
        """Note a change before it is made, so that a run that dies with it leaves word."""
        operation = Operation(kind, resource)
        with self._lock:
            self.pending.append(operation)
            self.save()
        return operation

    def end(self, operation: Operation) -> None:
        """The change is made, or has failed; the next save says so."""
        with self._lock:
            self.pending = [item for item in self.pending if item is not operation]

    def settle(self, resource: Resource, replaces: Resource | None = None, save: bool = True) -> None:
        """`resource` is now there; `replaces`, its former self, is not."""
        with self._lock:
            self._remove(replaces)
            self.new.append(resource)
            self.pending = [
                item
                for item in self.pending
                if not (item.kind == "creating" and item.resource.urn == resource.urn)
            ]
            if save:
                self.save()

    def drop(self, resource: Resource) -> None:
        """`resource` is gone."""
        with self._lock:
            self._remove(resource)
            self.save()

    def _remove(self, resource: Resource | None) -> None:
        self.old = [item for item in self.old if item is not resource]
        self.new = [item for item in self.new if item is not resource]

    def replace_all(self, resources: list[Resource]) -> None:
        """The state is now these, in their order."""
        with self._lock:
            self.old, self.new = [], list(resources)
            self.save()

    def save(self) -> None:
        if self._store is not None:
            with self._lock:
                self._store.save(self.checkpoint(), self._crypter)
