"""Publishing in order: a batch at once, each message only after the one before it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nats.errors import Error
from nats.js.errors import APIError

from fraisier.nats.encoding import Message
from fraisier.nats.outbox import Outbox

#: How long the server may take to acknowledge what was sent together, in seconds.
ANSWER_SECONDS = 5.0
#: Nothing more of a batch is begun after so many seconds.
BATCH_SECONDS = 20.0
#: How much is sent together, at most.
TOGETHER, TOGETHER_BYTES = 256, 4 * 2**20
AFTER, STREAM = "Nats-Expected-Last-Msg-Id", "Nats-Expected-Stream"
#: JetStream's code for a message that was to follow another one and did not.
NOT_THE_LAST = 10070


@dataclass(frozen=True)
class Published:
    """The stream sequences of the first messages, which are stored, and what came after them."""

    sequences: Sequence[int]
    error: BaseException | None = None


async def publish(outbox: Outbox, messages: Sequence[Message], careful: bool) -> Published:
    """Store messages so that no stream ever holds a later one without all before it.

    `careful`: one by one. Otherwise they go together, chained: each names the one that the stream
    has to end with. Where somebody else publishes there too the chain breaks, and the rest goes one
    by one. Never raises what the server or the connection does; it is the result's `error`.
    """
    until = time.monotonic() + BATCH_SECONDS
    if careful:
        return await _one_by_one(outbox, messages, until)
    done = await _together(outbox, messages, until)
    if isinstance(done.error, APIError) and done.error.err_code == NOT_THE_LAST:
        rest = await _one_by_one(outbox, messages[len(done.sequences) :], until)
        return Published([*done.sequences, *rest.sequences], rest.error)
    return done


async def _one_by_one(outbox: Outbox, messages: Sequence[Message], until: float) -> Published:
    stored: list[int] = []
    for message in messages:
        if time.monotonic() > until:
            break
        done = await _send(outbox, [message], {})
        stored += done.sequences
        if done.error is not None:
            return Published(stored, done.error)
    return Published(stored)


async def _together(outbox: Outbox, messages: Sequence[Message], until: float) -> Published:
    stored: list[int] = []
    last: dict[str, str] = {}
    for chunk in _chunks(messages):
        if time.monotonic() > until:
            break
        done = await _send(outbox, chunk, last)
        stored += done.sequences
        if done.error is not None:
            return Published(stored, done.error)
    return Published(stored)


async def _send(outbox: Outbox, messages: Sequence[Message], last: dict[str, str]) -> Published:
    """Send messages and wait for all answers; `last` is what each stream has to end with."""
    answers: list[asyncio.Future[int]] = []
    broke: BaseException | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for message in messages:
                after = last.get(message.stream)
                headers = {**message.headers, STREAM: message.stream}
                headers |= {AFTER: after} if after else {}
                answers.append(await outbox.send(message.subject, message.body, headers))
                last[message.stream] = message.event_id
            await asyncio.wait(answers)
    except (Error, OSError) as error:  # a timeout is one too
        broke = error
    finally:
        for answer in answers:
            answer.cancel()
    return _first(answers, broke)


def _first(answers: Sequence[asyncio.Future[int]], broke: BaseException | None) -> Published:
    """Return the messages before the first that failed, and why it did."""
    failures = [_failure(answer) for answer in answers]  # each is looked at: asyncio would complain
    good = next((n for n, failure in enumerate(failures) if failure), len(answers))
    sequences = [answer.result() for answer in answers[:good]]
    if good == len(answers):
        return Published(sequences, broke)
    failure = failures[good]
    return Published(sequences, broke if isinstance(failure, TimeoutError) and broke else failure)


def _failure(answer: asyncio.Future[int]) -> BaseException | None:
    return TimeoutError("no answer") if answer.cancelled() else answer.exception()


def _chunks(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield the messages in parts that may be under way at the same time."""
    chunk: list[Message] = []
    size = 0
    for message in messages:
        if chunk and (len(chunk) == TOGETHER or size + len(message.body) > TOGETHER_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += len(message.body)
    if chunk:
        yield chunk
