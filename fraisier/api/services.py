"""What the API is made of: the engine's parts, handed in by the wiring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, cast

from fraisier.api.streams import ServerSentEvents
from fraisier.domain.audit import AuditStore
from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import Unavailable
from fraisier.domain.freeze import FreezeStore
from fraisier.domain.ports import Store
from fraisier.domain.push import MOST_BYTES
from fraisier.domain.reach import Reach
from fraisier.engine.deployments import Deployments
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.engine.following import Following, Limits
from fraisier.engine.freezes import Freezes
from fraisier.engine.looks import Looks
from fraisier.engine.overview import Overview
from fraisier.engine.preview import Previews
from fraisier.engine.pushes import Pushes
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.engine.rates import Rates
from fraisier.engine.reloading import Reloading
from fraisier.engine.tending import Tending
from fraisier.engine.tokens import Tokens
from fraisier.engine.within import within
from fraisier.engine.writability import Writability
from fraisier.webhooks.incoming import Intake
from fraisier.webhooks.outgoing import Outgoing

#: How many requests may ask git servers or hosts at once, how many more may wait for that, and
#: for how many seconds; the other threads stay free for reading.
SLOW_AT_ONCE, SLOW_WAITING, SLOW_SECONDS = 6, 10, 5.0
#: How many requests may work with a service's hosts at once, which can take minutes.
LONG_AT_ONCE = 4


class Records(Store, FreezeStore, AuditStore, Protocol):
    """The records as routes use them."""

    def try_write(self) -> None:
        """Write something that nobody reads, once; raise StoreError where that is refused."""


@dataclass(frozen=True)
class Services:
    """The parts that routes use. `worker` is None where another process works on the queue.

    `nats` says why NATS is not there or takes no events, empty where all is well, and is None where
    it is not used; `ring` wakes the workers; `outgoing` answers for webhooks and notifications,
    where events go out at all; `intake` takes what git hosts send, `pushes` knows what came of it;
    `limits` bounds the streams that follow logs; `health` asks the hosts how what is deployed
    there is; `configuration` tells of the file, where it is followed; `tending` works with
    services; `rates` bounds what one token may send, `push_bytes` what a git host may.
    """

    catalogue: Catalogue
    store: Records
    tokens: Tokens
    deployments: Deployments
    previews: Previews
    worker: QueueWorker | None = None
    stop: Stop = field(default_factory=Stop)
    nats: Callable[[], str] | None = None
    ring: Callable[[], None] = lambda: None
    outgoing: Outgoing | None = None
    intake: Intake | None = None
    pushes: Pushes | None = None
    limits: Limits = field(default_factory=Limits)
    health: EnvironmentHealth | None = None
    configuration: Reloading | None = None
    tending: Tending | None = None
    rates: Rates | None = None
    push_bytes: int = MOST_BYTES
    _slow: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(SLOW_AT_ONCE)
    )
    _admitted: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(SLOW_AT_ONCE + SLOW_WAITING)
    )
    _long: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(LONG_AT_ONCE)
    )

    @property
    def looks(self) -> Looks:
        """Return what looks at the catalogue and the records."""
        return Looks(lambda: self.catalogue, self.store)

    @property
    def overview(self) -> Overview:
        """Return what looks at the queue and holds it."""
        return Overview(self.store, self.ring)

    @cached_property
    def following(self) -> Following:
        """Return what tells those who follow a log live; it is one for the whole server."""
        parts = (self.store, self.tokens.still_valid, self.stop.drain, ServerSentEvents())
        return Following(*parts, self.limits)

    @cached_property
    def writability(self) -> Writability:
        """Return what knows whether the database takes changes; it is one for the whole server."""
        return Writability(self.store.try_write)

    @property
    def freezes(self) -> Freezes:
        """Return the verbs on freezes."""
        return Freezes(self.catalogue, self.store, self.ring)

    def within(self, reach: Reach) -> Services:
        """Return the same for one who reaches some targets only: of others there are none."""
        if reach.everything:
            return self
        narrowed = replace(
            self,
            catalogue=self.catalogue.within(reach),
            store=cast("Records", within(self.store, reach)),
            deployments=self.deployments.within(reach),
            previews=self.previews.within(reach),
        )
        narrowed.__dict__["following"] = self.following
        return narrowed

    def slow(self) -> AbstractContextManager[None]:
        """Bound what asks other machines, and refuse it once the server is to stop.

        Raises Unavailable.
        """
        return self._bounded((self._admitted, 0.0), (self._slow, SLOW_SECONDS))

    def long(self) -> AbstractContextManager[None]:
        """Bound what works with a service's hosts, in the same way."""
        return self._bounded((self._long, 0.0))

    @contextmanager
    def _bounded(self, *places: tuple[threading.BoundedSemaphore, float]) -> Iterator[None]:
        if self.stop.drain.is_set():
            raise Unavailable("the server is stopping", "try again in a moment")
        with ExitStack() as held:
            for place, seconds in places:
                held.enter_context(_place(place, seconds))
            yield

    def pinned(self) -> AbstractContextManager[None]:
        """Return what lets a request see one configuration from its beginning to its end."""
        return nullcontext() if self.configuration is None else self.configuration.current.pinned()

    def hidden(self) -> Mapping[str, str]:
        """Return the paths of this machine that no answer may show, and their last parts instead.

        A path comes before those that it begins with.
        """
        paths = {self.catalogue.path, *self.local_repositories()}
        longest_first = sorted(paths, key=len, reverse=True)
        return {path: path.rstrip("/").rpartition("/")[2] for path in longest_first}

    def local_repositories(self) -> set[str]:
        """Return the repositories that are folders of this machine."""
        return {t.repository for t in self.catalogue.targets() if t.repository.startswith("/")}


@contextmanager
def _place(places: threading.BoundedSemaphore, seconds: float) -> Iterator[None]:
    if not places.acquire(timeout=seconds):
        raise Unavailable("the server has too many requests at once", "try again in a moment")
    try:
        yield
    finally:
        places.release()
