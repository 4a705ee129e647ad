"""The one place that knows which adapter stands behind each port."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraisier.config.settings import Settings
from fraisier.domain.catalogue import Catalogue, Provider, Target
from fraisier.domain.ports import Inventories, Repositories, Runner
from fraisier.domain.secret import Secret
from fraisier.engine.deployments import Deployments
from fraisier.engine.hosts import Hosts
from fraisier.engine.preview import Previews
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.engine.tokens import Tokens
from fraisier.engine.worker import Worker

if TYPE_CHECKING:
    from fraisier.api import Services
    from fraisier.store import SqlStore


@dataclass(frozen=True)
class Application:
    """Everything one command or server works with, made when it is first needed."""

    settings: Settings
    config_path: str | None = None

    @classmethod
    def from_environment(cls, config_path: str | None = None) -> Application:
        """Read the settings; nothing is opened yet."""
        return cls(Settings.from_environ(), config_path)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Load the configuration file; raise ConfigurationError."""
        from fraisier.config import load

        return load(self.config_path)

    @cached_property
    def database_url(self) -> str:
        """Return where the records are: as set, else beside the configuration file."""
        from fraisier.config.locate import locate

        return self.settings.database_for(locate(self.config_path, os.environ, Path.cwd()))

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Load the providers that can be used from this folder, with or without a configuration."""
        from fraisier.config.providers import load_providers

        folder = Path(self.config_path).parent if self.config_path else Path.cwd()
        return load_providers(folder, os.environ)

    @cached_property
    def store(self) -> SqlStore:
        """Open the database, created and migrated where needed; raise StoreError."""
        from fraisier.store import SqlStore

        return SqlStore.open(self.database_url)

    @cached_property
    def repositories(self) -> Repositories:
        """Return what resolves versions."""
        from fraisier.repositories import GitRepositories

        return GitRepositories(self._resolve)

    @cached_property
    def inventories(self) -> Inventories:
        """Return what reads a team's own Ansible inventories."""
        from fraisier.runner import AnsibleInventories

        return AnsibleInventories()

    @cached_property
    def runner(self) -> Runner:
        """Return what runs playbooks."""
        return self.new_runner()

    def new_runner(self) -> Runner:
        """Return another of those: each runs one playbook at a time."""
        from fraisier.runner import AnsibleRunner

        return AnsibleRunner(self._resolve)

    @cached_property
    def deployments(self) -> Deployments:
        """Return the verbs."""
        return Deployments(self.catalogue, self.store, self.repositories, self.inventories)

    @cached_property
    def hosts(self) -> Hosts:
        """Return what works on hosts outside a deployment."""
        return Hosts(self.catalogue, self.store, self.runner)

    @cached_property
    def previews(self) -> Previews:
        """Return what shows what a deployment would do."""
        return Previews(self.catalogue, self.store, self.deployments, self.new_runner)

    @cached_property
    def worker(self) -> Worker:
        """Return what carries deployments out in this process."""
        return Worker(self.catalogue, self.store, self.runner)

    def queue_worker(self, at_once: int, drain_seconds: float) -> QueueWorker:
        """Return what carries out the queue in a server."""
        return QueueWorker(self.catalogue, self.store, self.new_runner, at_once, drain_seconds)

    @cached_property
    def tokens(self) -> Tokens:
        """Return who may use the control API."""
        return Tokens(self.store)

    def services(self, worker: QueueWorker | None, stop: Stop) -> Services:
        """Return what the control API is made of, all of it loaded; raise ConfigurationError."""
        from fraisier.api import Services

        return Services(
            self.catalogue, self.store, self.tokens, self.deployments, self.previews, worker, stop
        )

    def secrets_of(self, target: Target) -> str:
        """Resolve every secret of a target and say their names; raise where one is missing."""
        found = self._resolve(target.secrets, required=True)
        return ", ".join(found) or "none"

    def _resolve(self, references: Mapping[str, Any], required: bool) -> Mapping[str, Secret]:
        from fraisier.config.secrets import resolve_all

        base = Path(self.catalogue.path).parent
        return resolve_all(references, required=required, base=base)
