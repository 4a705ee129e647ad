"""One session of a connection: opened without reconnecting, over when any part of it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error

from fraisier.nats.security import Security

#: How long one try to connect may take, and to close, in seconds.
CONNECT_SECONDS, CLOSE_SECONDS = 2, 2.0
#: A server that answers no ping for twice as long is given up.
PING_SECONDS = 10
#: How soon what was cancelled and goes on is cancelled again.
AGAIN_SECONDS = 0.2


@asynccontextmanager
async def opened(
    servers: Sequence[str], name: str, security: Security, wrong: Callable[[Exception], None]
) -> AsyncIterator[tuple[Client, asyncio.Event]]:
    """Connect to one of the servers; the event is set when the connection is over.

    `wrong` is told each error of the client's own. Raises what stands in the way.
    """
    closed, client, options = asyncio.Event(), Client(), security.options()

    async def ended() -> None:
        closed.set()

    async def told(error: Exception) -> None:
        wrong(error)

    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            await client.connect(
                servers=list(servers),
                name=name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                ping_interval=PING_SECONDS,
                max_outstanding_pings=1,
                closed_cb=ended,
                error_cb=told,
                **options,
            )
        yield client, closed
    finally:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


async def until_one_ends(*works: Coroutine[Any, Any, Any]) -> None:
    """Do all of this until one of it ends, then end the rest; raise why."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
        raise Error("the connection was closed")
    finally:
        await _end(set(tasks))


async def _end(left: set[asyncio.Future[Any]]) -> None:
    """Cancel tasks until they have ended: Python 3.11's `wait_for` may swallow a cancellation."""
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        for task in ended:
            if not task.cancelled():
                task.exception()  # it was looked at: asyncio would complain otherwise
