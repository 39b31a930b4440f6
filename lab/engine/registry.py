"""The providers of a run: default ones made as they are needed, explicit ones as the program registers them.

A provider is a resource like any other (`pulumi:providers:aws`), kept in the state so that what it made can be
deleted by the same configuration later. Resources refer to it as `<urn>::<id>`.
"""

import re
import threading
import uuid
from dataclasses import replace

from lab.engine import values
from lab.engine.plugins import DYNAMIC, PluginHost
from lab.engine.provider import Provider
from lab.engine.snapshot import Snapshot
from lab.engine.state import PROVIDER_PREFIX, Resource, now
from lab.engine.values import UNKNOWN, Props
from workbench.errors import WorkbenchError


def package_of(token: str) -> str:
    """The package in a type or function token: `aws` in `aws:ec2/vpc:Vpc`."""
    return token.split(":", 1)[0]


class Registry:
    """Providers by reference. `config` is all of the stack's, values as the program gets them."""

    def __init__(
        self, host: PluginHost, snapshot: Snapshot, urn_prefix: str, config: Props, preview: bool
    ) -> None:
        self._host = host
        self._snapshot = snapshot
        self._urn_prefix = urn_prefix
        self._config = config
        self._preview = preview
        self._providers: dict[str, Provider] = {}
        self._changed: dict[tuple[str, str], bool] = {}
        self._lock = threading.RLock()

    def default(self, package: str, version: str) -> str:
        """The reference of the package's default provider, made on first use."""
        suffix = "_" + re.sub(r"[.+-]", "_", version) if version else ""
        urn = f"{self._urn_prefix}{PROVIDER_PREFIX}{package}::default{suffix}"
        with self._lock:
            resource = self._snapshot.find_new(urn)
            if resource is None:
                inputs = {
                    key.split(":", 1)[1]: value
                    for key, value in self._config.items()
                    if package_of(key) == package
                }
                if version:
                    inputs["version"] = version
                resource = self.register(
                    Resource(urn=urn, type=PROVIDER_PREFIX + package, custom=True, inputs=inputs)
                )
            return f"{urn}::{resource.id}"

    def register(self, new: Resource) -> Resource:
        """Check, configure and record a provider; its outputs are its inputs."""
        with self._lock:
            old = self._snapshot.find_old(new.urn)
            provider = self._host.load(package_of(new.type.removeprefix(PROVIDER_PREFIX)))
            new.inputs = self._checked(provider, new, old)
            new.outputs = new.inputs
            new.id = self._identity(provider, new, old)
            if not values.contains(new.inputs, values.is_unknown):
                provider.configure(new, self._extra(provider.package))
            self._providers[f"{new.urn}::{new.id}"] = provider
            new.created = old.created if old else now()
            self._snapshot.settle(new, replaces=old if old and old.id == new.id else None)
            if old and old.id != new.id:
                old.delete = True  # what it made still needs it
            return new

    def _checked(self, provider: Provider, new: Resource, old: Resource | None) -> Props:
        if provider.package == DYNAMIC:
            return new.inputs  # it has no CheckConfig, and would print a traceback to say so
        inputs, failures = provider.check_config(new, old.inputs if old else {})
        if failures:
            reasons = "; ".join(f"{name}: {reason}" if name else reason for name, reason in failures)
            raise WorkbenchError(f"the configuration of the {provider.package} provider is wrong: {reasons}")
        return inputs

    def _identity(self, provider: Provider, new: Resource, old: Resource | None) -> str:
        if old is not None:
            diff = None if provider.package == DYNAMIC else provider.diff_config(new, old)
            if diff is None or not diff.must_replace:
                return old.id
        return UNKNOWN if self._preview else str(uuid.uuid4())

    def _extra(self, package: str) -> Props:
        # Dynamic providers may ask for any of the stack's config; its secrets have no place in their state.
        return self._config if package == DYNAMIC else {}

    def get(self, reference: str) -> Provider:
        """The provider of a resource, brought up by what the state says of it if this run did not register it."""
        with self._lock:
            if reference not in self._providers:
                urn, _, identity = reference.rpartition("::")
                known = next(
                    (item for item in self._snapshot.everything() if item.urn == urn and item.id == identity),
                    None,
                )
                if known is None:
                    raise WorkbenchError(f"the state names a provider that it does not hold: {reference}")
                provider = self._host.load(package_of(known.type.removeprefix(PROVIDER_PREFIX)))
                provider.configure(known, self._extra(provider.package))
                self._providers[reference] = provider
            return self._providers[reference]

    def forces_replacement(self, old: str, new: str) -> bool:
        """Whether a resource must be replaced as its provider changed from one reference to another.

        Between two default providers (another version of the SDK) the new one is asked; else always, as the
        real engine does it (step_generator.go, providerChanged).
        """
        if old == new:
            return False
        olds = self._resource(old)
        news = self._resource(new)
        if not (olds and news and olds.is_default_provider and news.is_default_provider):
            return True
        key = (old, new)
        if key not in self._changed:
            self._changed[key] = self.get(new).diff_config(news, replace(olds, urn=news.urn)).must_replace
        return self._changed[key]

    def _resource(self, reference: str) -> Resource | None:
        urn, _, identity = reference.rpartition("::")
        return next(
            (item for item in self._snapshot.everything() if item.urn == urn and item.id == identity), None
        )

    def stop(self) -> None:
        """Take leave of all providers."""
        for provider in self._providers.values():
            provider.stop()
        self._host.stop()
