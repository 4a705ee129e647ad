"""What the API is made of: the engine's parts, handed in by the wiring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import Unavailable
from fraisier.domain.ports import Store
from fraisier.domain.reach import Reach
from fraisier.engine.deployments import Deployments
from fraisier.engine.looks import Looks
from fraisier.engine.overview import Overview
from fraisier.engine.preview import Previews
from fraisier.engine.pushes import Pushes
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.engine.rates import Rates
from fraisier.engine.tokens import Tokens
from fraisier.engine.within import within
from fraisier.webhooks.incoming import Intake
from fraisier.webhooks.outgoing import Outgoing

#: How many requests may ask git servers or hosts at once; the other threads stay free for reading.
SLOW_AT_ONCE = 6


@dataclass(frozen=True)
class Services:
    """The parts that routes use. `worker` is None where another process works on the queue.

    `nats` says why NATS is not there or takes no events, empty where all is well, and is None where
    it is not used; `ring` wakes the workers; `outgoing` answers for webhooks and notifications,
    where events go out at all; `intake` takes what git hosts send, `pushes` knows what came of it;
    `rates` bounds what one token may send.
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
    rates: Rates | None = None
    _slow: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(SLOW_AT_ONCE)
    )

    @property
    def looks(self) -> Looks:
        """Return what looks at the catalogue and the records."""
        return Looks(lambda: self.catalogue, self.store)

    @property
    def overview(self) -> Overview:
        """Return what looks at the queue and holds it."""
        return Overview(self.store, self.ring)

    def within(self, reach: Reach) -> Services:
        """Return the same for one who reaches some targets only: of others there are none."""
        if reach.everything:
            return self
        return replace(
            self,
            catalogue=self.catalogue.within(reach),
            store=within(self.store, reach),
            deployments=self.deployments.within(reach),
            previews=self.previews.within(reach),
        )

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Bound what asks other machines, and refuse it once the server is to stop.

        Raises Unavailable.
        """
        if self.stop.drain.is_set():
            raise Unavailable("the server is stopping", "try again in a moment")
        if not self._slow.acquire(blocking=False):
            raise Unavailable("the server has too many requests at once", "try again in a moment")
        try:
            yield
        finally:
            self._slow.release()

    def hidden(self) -> Mapping[str, str]:
        """Return what no answer may show of this machine, and what it shows instead."""
        local = [t.repository for t in self.catalogue.targets() if t.repository.startswith("/")]
        return {
            **dict.fromkeys(local, "the repository"),
            self.catalogue.path: self.catalogue.path.rpartition("/")[2],
        }
