"""One connection to NATS for a process: a thread with the only asyncio loop that Fraisier has.

A connection is lived in sessions. Whatever goes wrong ends the session, and the next one makes all
that it needs again: a server that was restarted, was paused or lost its store is no special case.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from nats.aio.client import Client
from nats.errors import NoServersError

from fraisier.nats.security import Security
from fraisier.nats.session import opened, until_one_ends

#: How long making ready what lives on a connection may take, in seconds.
READY_SECONDS = 5.0
#: The shortest and the longest pause before the next session.
PAUSES = (0.2, 2.0)
CLOSE_SECONDS = 4.0
#: How soon what was cancelled and goes on is cancelled again.
AGAIN_SECONDS = 0.2
#: What a connection that carries wake-ups says of itself.
WORDS = (
    "NATS is there: wake-ups arrive at once",
    "NATS is not there, so the queue is polled",
)

log = logging.getLogger("fraisier.nats")


class Part(Protocol):
    """What lives on a connection, session after session."""

    async def begin(self, client: Client) -> None:
        """Make ready what the part needs; raise what is wrong, which ends the session."""

    async def live(self, client: Client) -> None:
        """Work until cancelled; to return or to raise ends the session."""


class Connection:
    """A connection that is kept for ever, beside the work: no caller ever waits for it.

    `servers` are URLs; `name` is what the server's operators see. `words` are logged when it is
    there and when it is not. Nothing runs before `start`, so a process that forks must have done
    so by then.
    """

    def __init__(
        self,
        servers: Sequence[str],
        name: str,
        parts: Sequence[Part],
        security: Security | None = None,
        words: tuple[str, str] = WORDS,
    ) -> None:
        self._servers = list(servers)
        self._name = name
        self._parts = parts
        self._security = security or Security()
        self._words = words
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lives: asyncio.Task[None] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="nats", daemon=True)
        self._connected = False
        self._said: bool | None = None
        self._trouble = ""

    @property
    def connected(self) -> bool:
        """True while a session is up and every part of it is ready."""
        return self._connected

    @property
    def trouble(self) -> str:
        """Return why there is no session, in the client's words; empty while there is one."""
        return "" if self._connected else self._trouble

    def start(self) -> None:
        """Begin to connect and return at once."""
        self._thread.start()

    def close(self) -> None:
        """End the connection; returns within a few seconds whatever the server does."""
        self._closing = True
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            self.soon(lambda: self._lives.cancel() if self._lives else None)
            self._thread.join(AGAIN_SECONDS)

    def soon(self, action: Callable[[], Any]) -> None:
        """Have an action done by the loop, from any thread; without a loop it is left out."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(action)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._loop.set_exception_handler(_unexpected)
            with suppress(asyncio.CancelledError):
                runner.run(self._live())
        self._loop = None

    async def _live(self) -> None:
        self._lives = asyncio.current_task()
        pause = PAUSES[0]
        while not self._closing:
            try:
                await self._session()
            except Exception as error:
                pause = PAUSES[0] if self._connected else min(2 * pause, PAUSES[1])
                if not isinstance(error, NoServersError):  # that one hides the reason told before
                    self._trouble = str(error) or type(error).__name__
                self._tell(False)
            finally:
                self._connected = False
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (nothing to guess)

    async def _session(self) -> None:
        """Live one session; never returns, but raises what ended it."""

        def wrong(error: Exception) -> None:
            self._trouble = str(error) or type(error).__name__

        async with opened(self._servers, self._name, self._security, wrong) as (client, closed):
            async with asyncio.timeout(READY_SECONDS):
                for part in self._parts:
                    await part.begin(client)
            self._tell(True)
            await until_one_ends(closed.wait(), *(part.live(client) for part in self._parts))

    def _tell(self, connected: bool) -> None:
        """Log each change of state once."""
        if connected and self._said is not True:
            log.info("%s", self._words[0])
        if not connected and self._said is not False:
            log.warning("%s: %s", self._words[1], self._trouble)
        self._said = self._connected = connected


def _unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Note what a task of the client's own left behind; the session has ended or will."""
    log.debug("%s: %s", context.get("message"), context.get("exception"))
