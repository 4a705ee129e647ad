"""What arrives for one listener: every stream in its order, through sessions and lost stores."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from nats.errors import Error
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from fraisier.nats.consumers import OPEN, Start, wanted
from fraisier.nats.place import Delivery, Place
from fraisier.nats.pulling import pulled
from fraisier.nats.session import until_one_ends
from fraisier.nats.subjects import stream_of

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

ANSWER_SECONDS = 5.0
#: How many messages are asked for at once.
FETCHED = 64
FETCH_SECONDS, LOOK_SECONDS = 5.0, 0.5
#: How often the server is told that an acknowledgement will come.
STILL_SECONDS = 10.0
#: How many messages are asked for one by one that an earlier session has not brought.
MISSED = 2000

log = logging.getLogger("fraisier.nats")


class Delivering:
    """A part of a connection that brings messages to another thread.

    `durable` names the consumers, whose places the server then keeps: what is not settled comes
    again. Without a name the places are kept here. `finite`: only what is there already.
    """

    def __init__(
        self, families: Iterable[str], start: Start, durable: str | None, finite: bool = False
    ) -> None:
        self._streams = [stream_of(family) for family in sorted(families)]
        self._start = start
        self._durable = durable
        self._finite = finite
        self._places: dict[str, Place] = {}
        self._ended: set[str] = set()
        self._arrived: SimpleQueue[Delivery] = SimpleQueue()
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Event()

    @property
    def ended(self) -> bool:
        """True where it is finite and all has arrived."""
        return self._finite and self._ended.issuperset(self._streams) and self._arrived.empty()

    def next(self, seconds: float) -> Delivery | None:
        """Return the next message, or None after so many seconds; for the listener's thread."""
        try:
            return self._arrived.get(timeout=max(0.0, seconds))
        except Empty:
            return None

    def settle(self, delivery: Delivery) -> None:
        """Note that a message was dealt with; it comes again only where that gets lost."""
        self._soon(self._settled(delivery))

    def ask(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Have the loop do something and wait for it; raise Error or TimeoutError."""
        done = self._soon(work)
        if done is None:
            raise Error("NATS is not connected")
        try:
            done.result(seconds)
        except CancelledError as error:
            raise Error("the connection to NATS was closed") from error
        finally:
            done.cancel()

    def flush(self) -> None:
        """See to it that what was settled is known to the server."""
        client = self._client
        if client is not None:
            with suppress(Error, OSError):
                self.ask(client.flush(2), 3)

    @property
    def client(self) -> Client | None:
        """Return the client of this session, for the loop."""
        return self._client

    async def begin(self, client: Client) -> None:
        """Take the new session."""
        self._client, self._loop = client, asyncio.get_running_loop()

    async def live(self, client: Client) -> None:
        """Bring messages until the session ends, or a stream or consumer turns out to be gone."""
        try:
            streams = (self._stream(client, name) for name in self._streams)
            await until_one_ends(self._still(client), *streams)
        finally:
            self._client = None

    def _soon(self, work: Coroutine[Any, Any, None]) -> Any:
        if self._loop is None:
            work.close()
            return None
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop was closed just now
            work.close()
            return None

    async def _stream(self, client: Client, name: str) -> None:
        jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        info = await self._found(jetstream, name)
        if info is None:
            self._ended.add(name)
            await asyncio.Event().wait()
            return
        consumer = await self._consumer(jetstream, name, info)
        place = self._places[name]
        while True:
            while len(place.open) >= OPEN:
                self._room.clear()
                await self._room.wait()
            if not await self._pull(client, place, name, consumer):
                await self._look(jetstream, name, consumer)
                self._ended.add(name)

    async def _pull(self, client: Client, place: Place, name: str, consumer: str) -> bool:
        """Bring what comes next; return whether anything came."""
        came = False
        seconds = LOOK_SECONDS if self._finite else FETCH_SECONDS
        inbox = client.new_inbox()
        async with aclosing(pulled(client, inbox, name, consumer, FETCHED, seconds)) as messages:
            async for message in messages:
                came = True
                at = message.metadata.sequence.stream
                reply = message.reply if self._durable else None
                await self._arrive(place, Delivery(name, place.created, at, message.data, reply))
                if message.metadata.num_pending == 0:
                    self._ended.add(name)
        return came

    async def _found(self, jetstream: JetStreamContext, name: str) -> StreamInfo | None:
        """Return a stream, once it is there; None where it need not be waited for."""
        while True:
            try:
                info = await jetstream.stream_info(name)
            except NotFoundError:
                if self._finite:
                    return None
                # it is made while we listen, so that all of it is news
                self._places.setdefault(name, Place("", 0))
                await asyncio.sleep(LOOK_SECONDS)
                continue
            created = info.created.isoformat() if info.created else ""
            known = self._places.get(name)
            if known is None:
                self._places[name] = Place(created)
            elif known.created != created:
                self._places[name] = Place(created, 0, made_anew=bool(known.created))
            return info

    async def _look(self, jetstream: JetStreamContext, name: str, consumer: str) -> None:
        """Raise where the stream is not the same any more, or the consumer is gone."""
        await jetstream.consumer_info(name, consumer)
        info = await jetstream.stream_info(name)
        if info.created and info.created.isoformat() != self._places[name].created:
            raise Error(f"the stream {name} was made anew")

    async def _consumer(self, jetstream: JetStreamContext, name: str, info: StreamInfo) -> str:
        """Return the consumer to ask, made where it is missing."""
        place = self._places[name]
        if self._durable:
            with suppress(NotFoundError):
                known = await jetstream.consumer_info(name, self._durable)
                delivered = known.delivered.stream_seq if known.delivered else 0
                floor = known.ack_floor.stream_seq if known.ack_floor else 0
                await self._make_up(jetstream, place, name, floor, delivered)
                return self._durable
        made = await jetstream.add_consumer(
            name, wanted(self._durable, self._start, place, info.state.last_seq)
        )
        return str(made.name)

    async def _make_up(
        self, jetstream: JetStreamContext, place: Place, name: str, floor: int, delivered: int
    ) -> None:
        """Bring what the server has sent and nobody here has got; it would come late otherwise."""
        if place.high is None:
            place.high = floor
        for sequence in range(max(place.high + 1, delivered - MISSED), delivered + 1):
            with suppress(NotFoundError):
                message = await jetstream.get_msg(name, sequence)
                body = message.data or b""
                await self._arrive(place, Delivery(name, place.created, sequence, body))

    async def _arrive(self, place: Place, delivery: Delivery) -> None:
        delivery.made_anew = place.made_anew
        if place.take(delivery):
            self._arrived.put(delivery)
        elif delivery.sequence not in place.open:
            await self._acknowledge(delivery)

    async def _settled(self, delivery: Delivery) -> None:
        place = self._places.get(delivery.stream)
        if place is None or place.created != delivery.created:
            return  # that stream is gone, and its consumer's numbers mean others now
        place.open.pop(delivery.sequence, None)
        self._room.set()
        await self._acknowledge(delivery)

    async def _acknowledge(self, delivery: Delivery) -> None:
        if delivery.reply is None or self._client is None:
            return  # when it comes again it is known
        try:
            await self._client.publish(delivery.reply, b"+ACK")
        except (Error, OSError) as error:
            log.debug("an acknowledgement was lost: %s", error)

    async def _still(self, client: Client) -> None:
        """Tell the server that what is here is still being dealt with."""
        while True:
            await asyncio.sleep(STILL_SECONDS)
            for place in list(self._places.values()):
                for delivery in list(place.open.values()):
                    if delivery.reply is not None:
                        await client.publish(delivery.reply, b"+WPI")
