"""One session of a connection: opened without reconnecting, over when any part of it is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error, UnexpectedEOF

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
        wrong(_no_certificate(client, security, error) or error)

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
    except (OSError, Error) as error:
        if why := _no_certificate(client, security, error):
            raise why from error
        raise
    finally:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


def _no_certificate(client: Client, security: Security, error: Exception) -> Error | None:
    """Return what to do where the server hung up because we showed no certificate.

    A server that asks for one says so before TLS begins (`tls_verify`, in its INFO). From TLS 1.3
    on it ends the connection after our side took it for made: whether its alert is read first or a
    reset, an end or a broken pipe is luck, and none of them says what to do.
    """
    asked = client._server_info.get("tls_verify") and not security.cert  # nothing public tells it
    hung_up = isinstance(error, OSError | UnexpectedEOF)
    if not asked or not hung_up or isinstance(error, ssl.SSLCertVerificationError):
        return None
    return Error(
        "the server asks for a certificate and was shown none: "
        f"set FRAISIER_NATS_TLS_CERT and FRAISIER_NATS_TLS_KEY ({error})"
    )


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
