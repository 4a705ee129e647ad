"""Asking a consumer for messages, each handed on in the moment in which it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from nats.errors import Error

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

#: How much longer than it was asked to the server may take to say that nothing came, in seconds.
LATE_SECONDS = 5.0
NEXT = "$JS.API.CONSUMER.MSG.NEXT"
#: What the server says instead of a message, where there is none in the time asked for.
NOTHING = ("404", "408")


async def pulled(
    client: Client, inbox: str, stream: str, consumer: str, most: int, seconds: float
) -> AsyncGenerator[Msg, None]:
    """Ask for so many messages and yield what comes within so many seconds.

    `inbox` is subscribed to by this alone. Raises Error where the consumer is gone.
    """
    subscription = await client.subscribe(inbox)
    try:
        asked = {"batch": most, "expires": int(seconds * 1e9)}
        await client.publish(f"{NEXT}.{stream}.{consumer}", json.dumps(asked).encode(), inbox)
        for _ in range(most):
            message = await subscription.next_msg(timeout=seconds + LATE_SECONDS)
            status = (message.headers or {}).get("Status")
            if status in NOTHING:
                return
            if status is not None:
                said = (message.headers or {}).get("Description", "")
                raise Error(f"the consumer {consumer} of {stream}: {status} {said}")
            yield message
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()
