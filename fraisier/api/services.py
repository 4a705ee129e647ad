"""What the API is made of: the engine's parts, handed in by the wiring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import Unavailable
from fraisier.domain.ports import Store
from fraisier.engine.deployments import Deployments
from fraisier.engine.looks import Looks
from fraisier.engine.overview import Overview
from fraisier.engine.preview import Previews
from fraisier.engine.pushes import Pushes
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.engine.reloading import Reloading
from fraisier.engine.tending import Tending
from fraisier.engine.tokens import Tokens
from fraisier.webhooks.incoming import Intake
from fraisier.webhooks.outgoing import Outgoing

#: How many requests may ask git servers or hosts at once; the other threads stay free for reading.
SLOW_AT_ONCE = 6
#: How many requests may work with a service's hosts at once, which can take minutes.
LONG_AT_ONCE = 4


@dataclass(frozen=True)
class Services:
    """The parts that routes use. `worker` is None where another process works on the queue.

    `nats` says why NATS is not there or takes no events, empty where all is well, and is None where
    it is not used; `ring` wakes the workers; `outgoing` answers for webhooks and notifications,
    where events go out at all; `intake` takes what git hosts send, `pushes` knows what came of it;
    `configuration` tells of the file, where it is followed; `tending` works with services.
    """

    catalogue: Catalogue
    store: Store
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
    configuration: Reloading | None = None
    tending: Tending | None = None
    _slow: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(SLOW_AT_ONCE)
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

    def slow(self) -> AbstractContextManager[None]:
        """Bound what asks other machines, and refuse it once the server is to stop.

        Raises Unavailable.
        """
        return self._bounded(self._slow)

    def long(self) -> AbstractContextManager[None]:
        """Bound what works with a service's hosts, in the same way."""
        return self._bounded(self._long)

    @contextmanager
    def _bounded(self, slots: threading.BoundedSemaphore) -> Iterator[None]:
        if self.stop.drain.is_set():
            raise Unavailable("the server is stopping", "try again in a moment")
        if not slots.acquire(blocking=False):
            raise Unavailable("the server has too many requests at once", "try again in a moment")
        try:
            yield
        finally:
            slots.release()

    def pinned(self) -> AbstractContextManager[None]:
        """Return what lets a request see one configuration from its beginning to its end."""
        return nullcontext() if self.configuration is None else self.configuration.current.pinned()

    def hidden(self) -> Mapping[str, str]:
        """Return what no answer may show of this machine, and what it shows instead."""
        local = [t.repository for t in self.catalogue.targets() if t.repository.startswith("/")]
        return {
            **dict.fromkeys(local, "the repository"),
            self.catalogue.path: self.catalogue.path.rpartition("/")[2],
        }
