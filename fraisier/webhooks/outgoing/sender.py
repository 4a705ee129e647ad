"""Sends what is due: each receiver in a thread of its own, so that one that hangs waits alone."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from fraisier.domain.delivery import Attempt, Delivery, DeliveryStore
from fraisier.domain.errors import StoreError
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.posting import Answer
from fraisier.webhooks.outgoing.receivers import Receiver
from fraisier.webhooks.outgoing.schedule import (
    MICROSECONDS,
    PATIENCE_DAYS,
    given_up,
    next_delay,
    retry_after_of,
)

#: How long an attempt may take in all, however it drips.
ATTEMPT_SECONDS = 15.0
#: For how long a process has a delivery to itself; then another may send it.
CLAIM_SECONDS = 60
THREADS = 8
#: How often it is looked what is due where nobody rings, in seconds.
LOOK_SECONDS = 0.5
#: For how long one receiver is served before another one's turn, in seconds.
TURN_SECONDS = 5.0
TROUBLE_SECONDS = 2.0
#: For how long a process that ends still sends what is due, in seconds.
GRACE_SECONDS = 3.0
#: For how long the log of deliveries is kept, and how often it is tidied.
KEPT_DAYS = 30
TIDY_SECONDS = 3600.0
GONE = 410
_DAY = 86_400 * MICROSECONDS

log = logging.getLogger("fraisier.webhooks")


class Sender:
    """Works off the deliveries that are due to some receivers, from each `start` to its `stop`.

    `receivers` are looked up each time. `clock` returns UTC microseconds: the database's, as many
    processes may do this on the same records. `chance` is a number from 0 to 1 for the jitter.
    """

    def __init__(
        self,
        store: DeliveryStore,
        receivers: Mapping[str, Receiver],
        *,
        clock: Callable[[], int] | None = None,
        chance: Callable[[], float] = random.random,
        seconds: float = ATTEMPT_SECONDS,
        threads: int = THREADS,
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._clock = clock or store.now
        self._chance = chance
        self._seconds = seconds
        self._threads = threads
        self._ending = threading.Event()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Thread] = {}
        self._cutoffs: set[Cutoff] = set()
        self._main: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if there are receivers at all."""
        if self._receivers:
            self._ending.clear()
            self._stop.clear()
            self._main = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._main.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Send what is due now, for as long as the grace, and then nothing more.

        What is still under way is cut, and sent again by whoever comes next.
        """
        until = time.monotonic() + grace
        self._ending.set()
        self._wake.set()
        self._join(until)
        self._stop.set()
        self._wake.set()
        with self._lock:
            for cutoff in self._cutoffs:
                cutoff.cut("stopped")
        self._join(time.monotonic() + 1.0)

    def ring(self) -> None:
        """Look at once what is due."""
        self._wake.set()

    def send_next(self, endpoint: str) -> bool:
        """Try the next delivery that is due to an endpoint; False where there is none."""
        at, receiver = self._clock(), self._receivers.get(endpoint)
        if receiver is None:
            return False
        until = at + CLAIM_SECONDS * MICROSECONDS
        delivery = self._store.claim_delivery(endpoint, at, until)
        if delivery is None:
            return False
        begun = time.monotonic()
        with Cutoff(self._seconds) as cutoff, self._cuttable(cutoff):
            answer = receiver.send(delivery, at, cutoff)
        if answer.problem and cutoff.reason and self._stop.is_set():
            self._store.release_delivery(delivery, at)
            return True
        self._settle(delivery, answer, at, time.monotonic() - begun)
        return True

    def _settle(self, delivery: Delivery, answer: Answer, at: int, seconds: float) -> None:
        """Record what came of an attempt, and give the receiver up where it is time to."""
        attempt = Attempt(at, round(seconds, 3), answer.status, answer.problem)
        next_at, gone = None, answer.status == GONE
        if answer.problem and not gone:
            wanted = retry_after_of(answer.retry_after, at)
            delay = next_delay(delivery.attempts + 1, self._chance(), wanted)
            next_at = None if delay is None else self._clock() + int(delay * MICROSECONDS)
        state = self._store.attempted(delivery, attempt, next_at)
        if gone:
            self._disable(delivery.endpoint, "it answered 410 Gone")
        elif answer.problem and given_up(state.failing_since, at):
            said = f"nothing but failures for {PATIENCE_DAYS} days; the last: {answer.problem}"
            self._disable(delivery.endpoint, said)
        elif answer.problem:
            log.info("%s to %s failed: %s", delivery.id, delivery.endpoint, answer.problem)

    def _disable(self, endpoint: str, reason: str) -> None:
        self._store.disable_endpoint(endpoint, reason, self._clock())
        log.warning("%s is disabled: %s", endpoint, reason)

    def _run(self) -> None:
        tidied = -TIDY_SECONDS
        while not self._stop.is_set():
            self._wake.clear()
            ending = self._ending.is_set()
            try:
                self._dispatch()
                if time.monotonic() - tidied >= TIDY_SECONDS:
                    tidied = time.monotonic()
                    self._tidy()
            except StoreError as error:
                log.warning("deliveries wait for the database: %s", error.message)
                self._stop.wait(TROUBLE_SECONDS)
            if ending and not self._busy:
                return
            self._wake.wait(LOOK_SECONDS)

    def _dispatch(self) -> None:
        """Give each receiver that something is due to a thread, as long as there are any."""
        with self._lock:
            free = [name for name in self._receivers if name not in self._busy]
        for name in self._store.due_endpoints(free, self._clock()) if free else ():
            with self._lock:
                if len(self._busy) >= self._threads or self._stop.is_set():
                    return
                thread = threading.Thread(
                    target=self._serve, args=[name], name=f"webhook {name}", daemon=True
                )
                self._busy[name] = thread
            thread.start()

    def _serve(self, endpoint: str) -> None:
        """Send what is due to one endpoint, until there is no more or its turn is over."""
        until, sent = time.monotonic() + TURN_SECONDS, False
        try:
            while not self._stop.is_set() and time.monotonic() < until:
                if not self.send_next(endpoint):
                    break
                sent = True
        except StoreError as error:
            log.warning("deliveries to %s wait for the database: %s", endpoint, error.message)
            self._stop.wait(TROUBLE_SECONDS)
        except Exception:
            log.exception("deliveries to %s broke off; they are tried again", endpoint)
            self._stop.wait(TROUBLE_SECONDS)
        finally:
            with self._lock:
                del self._busy[endpoint]
            if sent:  # where nothing could be, another process is at it
                self._wake.set()

    def _tidy(self) -> None:
        before = self._clock() - KEPT_DAYS * _DAY
        while not self._stop.is_set() and self._store.prune_deliveries(before):
            pass

    def _cuttable(self, cutoff: Cutoff) -> _Cuttable:
        return _Cuttable(self._lock, self._cutoffs, cutoff)

    def _join(self, until: float) -> None:
        with self._lock:
            threads = [each for each in (self._main, *self._busy.values()) if each is not None]
        for thread in threads:
            with suppress(RuntimeError):  # it was not started yet
                thread.join(max(0.01, until - time.monotonic()))


class _Cuttable:
    """Lets `stop` cut an attempt while it is under way."""

    def __init__(self, lock: threading.Lock, among: set[Cutoff], cutoff: Cutoff) -> None:
        self._lock, self._among, self._cutoff = lock, among, cutoff

    def __enter__(self) -> None:
        with self._lock:
            self._among.add(self._cutoff)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._among.discard(self._cutoff)
