"""JetStream as a sink: recorded events go to their streams, in order, and are seen to be there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from nats.errors import Error

from fraisier.domain.errors import SinkUnavailable
from fraisier.domain.notice import Notice
from fraisier.nats.encoding import message_of
from fraisier.nats.given import Given
from fraisier.nats.outbox import Outbox
from fraisier.nats.publishing import ANSWER_SECONDS, BATCH_SECONDS, publish
from fraisier.nats.streams import Limits, ensured, hint, said
from fraisier.nats.subjects import DEAD_LETTER, FAMILIES, stream_of

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js.api import StreamInfo

#: How long the thread of a relay waits for the loop, in seconds: longer than any work there.
WAIT_SECONDS = BATCH_SECONDS + 4 * ANSWER_SECONDS
#: How long a look at all streams may take.
LOOK_SECONDS = 15.0
NAME = "nats"

T = TypeVar("T")


class _Session:
    """One session of the connection; `largest` is 0 until it was looked at the streams in it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.loop = asyncio.get_running_loop()
        self.jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        self.outbox = Outbox(client)
        self.largest = 0


class JetStreamSink:
    """An event sink, and a part of a connection.

    `source` is the installation's id. `look` and `publish` are for one other thread than the
    connection's; they never wait for longer than a minute.
    """

    name = NAME

    def __init__(self, source: str, limits: Limits = Limits()) -> None:  # noqa: B008 (frozen)
        self._source = source
        self._limits = limits
        self._session: _Session | None = None
        self._given = Given()
        self._careful = False
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Return why events were not taken the last time; empty where they were."""
        return self._trouble

    async def begin(self, client: Client) -> None:
        """Take the new session; the relay looks at the streams before it publishes."""
        self._session = _Session(client)

    async def live(self, client: Client) -> None:
        """Be there until the session ends."""
        try:
            await asyncio.Event().wait()
        finally:
            self._session = None

    def look(self, state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        """Make the streams where they are missing, and see whether they have what they were given.

        As `EventSink.look`. `state` holds, of each stream, when it was made and the last message
        that it has acknowledged.
        """
        session = self._connected()
        return self._done(session, self._look(session, state))

    def publish(self, notices: Sequence[Notice]) -> int:
        """Store notices in their streams; return how many of the first are acknowledged.

        Raises SinkUnavailable where none is, and in a new session before `look` was called.
        """
        session = self._connected()
        if not session.largest:
            raise self._failed(SinkUnavailable("the connection to NATS has begun anew"))
        messages = [message_of(notice, self._source, session.largest) for notice in notices]
        published = self._done(session, publish(session.outbox, messages, self._careful))
        for message, sequence in zip(messages, published.sequences, strict=False):
            self._given.note(message.stream, sequence, message.event_id)
        error = published.error
        self._careful = error is not None
        self._trouble = said(error) if error else ""
        if error is not None and not published.sequences:
            first = messages[0]
            told = f"{first.stream} did not take {first.event_id}: {said(error)}"
            raise self._failed(SinkUnavailable(told, hint(error))) from error
        return len(published.sequences)

    async def _look(
        self, session: _Session, state: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], int | None]:
        async with asyncio.timeout(LOOK_SECONDS):
            streams = {
                stream_of(family): await ensured(session.jetstream, family, self._limits)
                for family in FAMILIES
            }
            await ensured(session.jetstream, DEAD_LETTER, self._limits)
            first = not session.largest
            found = await self._given.compare(state, streams, session.jetstream, closely=first)
        session.largest = _largest(session.client, streams)
        self._trouble = ""
        return found

    def _connected(self) -> _Session:
        session = self._session
        if session is None:
            raise self._failed(SinkUnavailable("NATS is not connected"))
        return session

    def _done(self, session: _Session, work: Coroutine[Any, Any, T]) -> T:
        """Have a piece of work done by the loop and wait for it; raise SinkUnavailable."""
        try:
            result = asyncio.run_coroutine_threadsafe(work, session.loop)
        except RuntimeError as error:  # the loop was closed just now
            work.close()
            raise self._failed(SinkUnavailable("NATS is not connected")) from error
        try:
            return result.result(WAIT_SECONDS)
        except SinkUnavailable as error:
            raise self._failed(error) from error.__cause__
        except CancelledError as error:
            raise self._failed(SinkUnavailable("the connection to NATS was closed")) from error
        except (Error, OSError) as error:  # a timeout is one too
            result.cancel()
            raise self._failed(SinkUnavailable(said(error), hint(error))) from error

    def _failed(self, error: SinkUnavailable) -> SinkUnavailable:
        self._trouble = error.message
        return error


def _largest(client: Client, streams: Mapping[str, StreamInfo]) -> int:
    """Return how large a message may be that the server and every stream take, in bytes."""
    sizes = [info.config.max_msg_size or -1 for info in streams.values()]
    return int(min([client.max_payload, *(size for size in sizes if size > 0)]))
