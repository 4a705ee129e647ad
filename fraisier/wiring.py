"""The one place that knows which adapter stands behind each port."""

from __future__ import annotations

import atexit
import math
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraisier.config.settings import Settings
from fraisier.domain.catalogue import Provider, Target
from fraisier.domain.ports import EventSink, Inventories, Repositories, Runner
from fraisier.domain.rate import Limits
from fraisier.domain.retention import KEY_HOURS
from fraisier.domain.secret import Secret, SecretReference
from fraisier.domain.worker import SELF_FENCE, NewWorker
from fraisier.engine.automatic import Promotions
from fraisier.engine.bell import Bell
from fraisier.engine.checkup import Checkups
from fraisier.engine.current import CurrentCatalogue, Followed
from fraisier.engine.deployments import Deployments
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.engine.freezes import Freezes
from fraisier.engine.hosts import Hosts
from fraisier.engine.looks import Looks
from fraisier.engine.membership import Membership
from fraisier.engine.monitor import Monitor
from fraisier.engine.overview import Overview
from fraisier.engine.preview import Previews
from fraisier.engine.pushes import Pushes
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.engine.rates import Rates
from fraisier.engine.recovery import Recovery
from fraisier.engine.relay import Relay
from fraisier.engine.reloading import Reloading
from fraisier.engine.retelling import retelling
from fraisier.engine.tending import Tending
from fraisier.engine.tokens import Tokens
from fraisier.engine.worker import Worker

if TYPE_CHECKING:
    from fraisier.api import Services
    from fraisier.nats import Connection, JetStreamSink, NatsSettings
    from fraisier.store import SqlStore
    from fraisier.webhooks.outgoing import Outgoing, Receiver, Sender

#: How often the queue is looked at where nobody rings, in seconds: by what tells of changes.
POLL_SECONDS = {"sqlite": 0.2, "server": 0.5, "woken": 1.0}


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
    def catalogue(self) -> CurrentCatalogue:
        """Load the configuration file, to be followed by a server; raise ConfigurationError."""
        from fraisier.config import load

        return CurrentCatalogue(load(self.config_path))

    @cached_property
    def reloading(self) -> Reloading:
        """Return what lets the catalogue follow its file; raise ConfigurationError."""
        from fraisier.config import load
        from fraisier.config.watching import seen

        file = self.catalogue.path
        return Reloading(self.catalogue, lambda: load(file), lambda: seen(Path(file)))

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

        return SqlStore.open(self.database_url, self.settings.database_pool)

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
        return self.new_runner(self._until)

    def new_runner(
        self, until: Callable[[], float] = lambda: math.inf, warm: bool = False
    ) -> Runner:
        """Return another of those: each runs one playbook at a time.

        A run ends itself at the moment that `until()` gives, and where nobody looks after it.
        `warm`: this process is a server or a worker, which will run Ansible again and again.
        """
        from fraisier.runner import AnsibleRunner

        leash = self.settings.lease * SELF_FENCE
        return AnsibleRunner(self._resolve, leash=leash, until=until, warm=warm)

    def _until(self) -> float:
        """Return when this command's lease ends, where it has taken one."""
        member: Membership | None = self.__dict__.get("member")
        return member.until() if member is not None else math.inf

    @cached_property
    def bell(self) -> Bell:
        """Return what wakes those who work on the queue."""
        return Bell()

    @cached_property
    def member(self) -> Membership:
        """Return this command's place among the workers, taken now and left at the end."""
        name = f"{socket.gethostname()}:{os.getpid()}"
        member = Membership(self.store, NewWorker(name, "command", {}, 1), self.settings.lease)
        member.keep()
        atexit.register(member.leave)
        return member

    @cached_property
    def recovery(self) -> Recovery:
        """Return what settles, in a command, what dead workers left."""
        return Recovery(
            lambda: self.catalogue,
            self.store,
            lambda: self.new_runner(self._until),
            lambda: self.member,
        )

    @cached_property
    def deployments(self) -> Deployments:
        """Return the verbs as a command has them: first it settles what the dead left."""
        return self._deployments(self.recovery)

    def _deployments(self, recover: Callable[[], None]) -> Deployments:
        parts = (self.catalogue, self.store, self.repositories, self.inventories)
        return Deployments(*parts, self.bell, recover)

    @cached_property
    def overview(self) -> Overview:
        """Return what looks at the queue as a whole."""
        return Overview(self.store, self.bell.ring)

    @cached_property
    def freezes(self) -> Freezes:
        """Return the verbs on freezes."""
        return Freezes(self.catalogue, self.store, self.bell.ring)

    @cached_property
    def hosts(self) -> Hosts:
        """Return what works on hosts outside a deployment."""
        return Hosts(self.catalogue, self.store, self.runner, self.recovery)

    def _looks(self) -> Looks:
        return Looks(lambda: self.catalogue, self.store)

    def _checkups(self, new_runner: Callable[[], Runner]) -> Checkups:
        parts = (self.catalogue, self.store, self._deployments(lambda: None).target)
        return Checkups(*parts, new_runner)

    @cached_property
    def tending(self) -> Tending:
        """Return what is done with services in this command."""
        return Tending(self.deployments.target, self.store, lambda: nullcontext(self.hosts))

    @contextmanager
    def _lent_hosts(self) -> Iterator[Hosts]:
        """Lend what works on hosts to one request; workers settle what is left."""
        runner = self.new_runner()
        try:
            yield Hosts(self.catalogue, self.store, runner)
        finally:
            runner.close()

    @cached_property
    def previews(self) -> Previews:
        """Return what shows what a deployment would do."""
        return Previews(self.catalogue, self.store, self.deployments, self.new_runner)

    @cached_property
    def worker(self) -> Worker:
        """Return what carries deployments out in this command."""
        return Worker(self.catalogue, self.store, self.runner, self.member, self.recovery)

    def queue_worker(self, worker: NewWorker, drain_seconds: float) -> QueueWorker:
        """Return what carries out the queue in a server."""
        lease = self.settings.lease
        member = Membership(self.store, worker, lease, lambda: self.catalogue.digest)
        promotions = Promotions(self.catalogue, self.store, self._deployments(lambda: None))
        return QueueWorker(
            self.catalogue,
            self.store,
            lambda: self.new_runner(member.until, warm=True),
            self.bell,
            member,
            drain_seconds,
            self._poll_seconds,
            self._tidy,
            self.catalogue.pinning(promotions),
            self.telling,
            self.catalogue.pinning(self.pushes.tidy),
            self._monitor(worker.labels, member).round,
        )

    def _monitor(self, labels: Mapping[str, str], member: Membership) -> Monitor:
        checkups = self._checkups(lambda: self.new_runner(member.until, warm=True))
        return Monitor(self.catalogue, self.store, checkups, labels)

    def sinks(self) -> Sequence[EventSink]:
        """Return where recorded events go on to now."""
        streams = [] if self.nats is None else [self.nats_sink]
        return [*streams, *self.webhook_sinks()]

    @contextmanager
    def telling(self, member: Membership) -> Iterator[None]:
        """Pass recorded events on to the sinks, and send deliveries, while the block runs."""
        with retelling(self.catalogue, lambda: self._telling(member)):
            yield

    @contextmanager
    def _telling(self, member: Membership) -> Iterator[None]:
        self.sender.start()
        try:
            with Relay(self.store, self.sinks(), member):
                yield
        finally:
            self.sender.stop()

    @cached_property
    def receivers(self) -> Mapping[str, Receiver]:
        """Return what sends to each webhook and notification, by its name."""
        from fraisier.webhooks.outgoing import Door, receivers_of

        door = Door(self.settings.allowed_networks)
        return Followed(lambda: receivers_of(self.catalogue.receivers, self._secret, door))

    @cached_property
    def sender(self) -> Sender:
        """Return what sends deliveries that are due, once it is started."""
        from fraisier.webhooks.outgoing import Sender

        return Sender(self.store, self.receivers)

    @cached_property
    def outgoing(self) -> Outgoing:
        """Return the verbs on webhooks and notifications."""
        from fraisier.webhooks.outgoing import Outgoing

        endpoints = Followed(lambda: {each.id: each for each in self.catalogue.receivers})
        return Outgoing(endpoints.values(), self.store, self.receivers, self.sender.ring)

    @cached_property
    def pushes(self) -> Pushes:
        """Return what makes deployments of pushes."""
        return Pushes(self.catalogue, self.store, self._deployments(lambda: None))

    @cached_property
    def _installation(self) -> str:
        """Return its id, read once: telling can begin anew while the database is away."""
        return self.store.installation()

    def webhook_sinks(self) -> list[EventSink]:
        """Return a sink for each webhook and notification."""
        from fraisier.webhooks.outgoing import WebhookSink

        source, ring = self._installation, self.sender.ring
        return [WebhookSink(each, self.store, source, ring) for each in self.catalogue.receivers]

    def _tidy(self) -> None:
        """Remove the records that the configuration does not keep, and keys that have expired."""
        while self.store.prune_keys(self.store.now() - KEY_HOURS * 3_600_000_000):
            pass
        if not self.catalogue.retention.keeps_all:
            self.store.prune(self.catalogue.retention)

    @cached_property
    def nats(self) -> Connection | None:
        """Return the connection to NATS, which `wakeups` starts; None where none is set."""
        if self.settings.nats_url is None:
            return None
        from fraisier.nats import Connection, Part, Wakeups

        wakeups, name = Wakeups(self.bell), f"fraisier {socket.gethostname()}:{os.getpid()}"
        settings = self.nats_settings
        parts: list[Part] = [wakeups, self.nats_sink]
        connection = Connection(settings.servers, name, parts, settings.security)
        wakeups.listen_on(connection)
        return connection

    @cached_property
    def nats_settings(self) -> NatsSettings:
        """Read how NATS is reached and used; raise ConfigurationError."""
        from fraisier.nats import NatsSettings

        return NatsSettings.from_environ(url=self.settings.nats_url)

    @cached_property
    def nats_sink(self) -> JetStreamSink:
        """Return what stores events in JetStream, a part of the connection."""
        from fraisier.nats import JetStreamSink

        return JetStreamSink(self.store.installation(), self.nats_settings.limits)

    @property
    def nats_answers(self) -> bool:
        """True while NATS is set and connected."""
        return self.nats is not None and self.nats.connected

    def nats_trouble(self) -> tuple[str, str]:
        """Return what is wrong with NATS, for everybody and as it is known; empty where it is well.

        What is known may name addresses, so it is for those who run the machine.
        """
        if self.nats is None:
            return "", ""
        if not self.nats.connected:
            return "NATS is not there: the queue is polled and events wait", self.nats.trouble
        trouble = self.nats_sink.trouble
        return ("NATS takes no events: they wait", trouble) if trouble else ("", "")

    @contextmanager
    def wakeups(self) -> Iterator[None]:
        """Hear of other processes' requests through NATS, where that is set, until the end."""
        if self.nats is None:
            yield
            return
        self.nats.start()
        try:
            yield
        finally:
            self.nats.close()

    @property
    def where(self) -> str:
        """Return what a worker works with, for people."""
        from fraisier.store.urls import shown

        heard = "polling" if self.nats is None else "woken by NATS"
        return f"{shown(self.database_url)}, {heard}"

    def _poll_seconds(self) -> float:
        """Return how long the queue is left alone where nobody rings."""
        if self.nats_answers:
            return POLL_SECONDS["woken"]
        return POLL_SECONDS["sqlite" if self.database_url.startswith("sqlite") else "server"]

    @cached_property
    def tokens(self) -> Tokens:
        """Return who may use the control API."""
        return Tokens(self.store)

    def services(self, worker: QueueWorker | None, stop: Stop) -> Services:
        """Return what the control API is made of, all of it loaded; raise ConfigurationError."""
        from fraisier.api import Services
        from fraisier.webhooks.incoming import Intake

        return Services(
            self.catalogue,
            self.store,
            self.tokens,
            self._deployments(lambda: None),  # workers settle what is left, beside the answers
            self.previews,
            worker,
            stop,
            None if self.nats is None else lambda: self.nats_trouble()[0],
            self.bell.ring,
            self.outgoing,
            Intake(Followed(lambda: self.catalogue.git_hosts), self._secret, self.pushes),
            self.pushes,
            health=EnvironmentHealth(
                self._checkups(lambda: self.new_runner(warm=True)).look, self._looks().health
            ),
            configuration=self.reloading,
            tending=Tending(self.deployments.target, self.store, self._lent_hosts),
            rates=Rates(self.store, self._limits()),
            push_bytes=self.settings.webhook_max_bytes,
        )

    def _limits(self) -> Limits:
        of = self.settings
        return Limits(of.rate_limit, of.rate_limit_changes, of.rate_limit_failures)

    def secrets_of(self, target: Target) -> str:
        """Resolve every secret of a target and say their names; raise where one is missing."""
        found = self._resolve(target.secrets, required=True)
        return ", ".join(found) or "none"

    def _secret(self, reference: SecretReference) -> Secret:
        from fraisier.config.secrets import resolve

        return resolve(reference, base=Path(self.catalogue.path).parent)

    def _resolve(self, references: Mapping[str, Any], required: bool) -> Mapping[str, Secret]:
        from fraisier.config.secrets import resolve_all

        base = Path(self.catalogue.path).parent
        return resolve_all(references, required=required, base=base)
