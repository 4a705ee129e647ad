"""Wake-ups: a bell that rings in one process is heard in the others. A lost one costs a poll."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from fraisier.nats.connection import Connection

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from fraisier.engine.bell import Bell

STREAM = "FRAISIER_WAKEUP"
#: Outside `fraisier.>`, where everything is an event.
SUBJECT = "fraisier-wakeup"
KEPT_SECONDS, KEPT_MESSAGES = 60, 100
#: After a ring the next is told at most so many seconds later: storms become one message.
GATHER_SECONDS = 0.05
ANSWER_SECONDS = 2.0
#: How often it is seen whether the stream and the consumer are still there.
LOOK_SECONDS = 5.0


class Wakeups:
    """Tells other processes of each ring of a bell, and rings it when they tell of theirs."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._me = uuid.uuid4().hex.encode()
        self._rung = asyncio.Event()
        self._consumer: JetStreamContext.PushSubscription | None = None

    def listen_on(self, connection: Connection) -> None:
        """Pass each local ring on to a connection; never blocks who rings."""
        self._bell.listen(lambda: connection.soon(self._rung.set))

    async def begin(self, client: Client) -> None:
        """Make the stream where it is missing, and a consumer of what comes from now on."""
        jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        try:
            info = await jetstream.stream_info(STREAM)
            if info.config.subjects != [SUBJECT]:  # an earlier version had another one
                await jetstream.update_stream(_stream())
        except NotFoundError:
            await jetstream.add_stream(_stream())
        wanted = ConsumerConfig(deliver_policy=DeliverPolicy.NEW, ack_policy=AckPolicy.NONE)
        self._consumer = await jetstream.subscribe(
            SUBJECT, stream=STREAM, cb=self._heard, config=wanted
        )
        self._bell.hear()  # what others rang while this process was not connected
        self._rung.set()  # and what this one rang

    async def live(self, client: Client) -> None:
        """Publish rings; raises where the stream or the consumer is gone."""
        jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        assert self._consumer is not None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._rung.wait()
            if not self._rung.is_set():
                await self._consumer.consumer_info()
                continue
            self._rung.clear()
            await jetstream.publish(SUBJECT, self._me, stream=STREAM, timeout=ANSWER_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)

    async def _heard(self, message: Msg) -> None:
        if message.data != self._me:
            self._bell.hear()


def _stream() -> StreamConfig:
    """Return the stream as we make it: small, short-lived and in memory."""
    return StreamConfig(
        name=STREAM,
        subjects=[SUBJECT],
        storage=StorageType.MEMORY,
        max_age=KEPT_SECONDS,
        max_msgs=KEPT_MESSAGES,
        discard=DiscardPolicy.OLD,
        description="Rings of Fraisier's queue; nothing is lost with it",
    )
