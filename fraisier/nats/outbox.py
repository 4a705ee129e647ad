"""Sending to JetStream without waiting: each message's answer is a future.

`publish_async` of nats-py 2.16 does that too, but where the server refuses a message its future is
never done: the refusal is raised in the client's own task.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING

from nats.errors import Error
from nats.js.errors import APIError, NoStreamResponseError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

NO_RESPONDERS = "503"


class Outbox:
    """What was sent on one session and is not answered yet."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[int]] = {}

    async def send(
        self, subject: str, body: bytes, headers: Mapping[str, str]
    ) -> asyncio.Future[int]:
        """Send a message; the future is its sequence in the stream, or why it was not taken."""
        if not self._inbox:
            inbox = self._client.new_inbox()
            await self._client.subscribe(f"{inbox}.*", cb=self._answered)
            self._inbox = inbox
        token = str(next(self._numbers))
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._waiting.pop(token, None))
        self._waiting[token] = answer
        try:
            reply = f"{self._inbox}.{token}"
            await self._client.publish(subject, body, reply=reply, headers=dict(headers))
        except BaseException:
            answer.cancel()
            raise
        return answer

    async def _answered(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done():
            return
        try:
            answer.set_result(_sequence(message))
        except Error as error:
            answer.set_exception(error)


def _sequence(message: Msg) -> int:
    """Return the sequence that an answer acknowledges; raise Error for a refusal."""
    if (message.headers or {}).get("Status") == NO_RESPONDERS:
        raise NoStreamResponseError
    try:
        found = json.loads(message.data)
        if "error" in found:
            APIError.from_error(found["error"])  # it raises the fitting one
        return int(found["seq"])
    except (ValueError, TypeError, KeyError) as error:
        raise Error("an answer that JetStream would not give") from error
