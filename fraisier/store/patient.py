"""Connections to PostgreSQL that give up: libpq alone waits for ever on a server that stalls."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg2
import psycopg2.extensions as extensions

_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class _Patient(extensions.connection):
    """A connection that waits `limit` seconds for an answer."""

    limit = 0


def connection_class(connect: int, answer: int) -> Any:
    """Return a class of connections: so many seconds to connect, and for each answer after."""
    extensions.set_wait_callback(_wait)

    class Connection(_Patient):
        limit = connect

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.limit = answer

    return Connection


def _wait(connection: Any) -> None:
    """Wait as psycopg2 asks to, or raise OperationalError; psycopg2 then closes the connection."""
    limit = getattr(connection, "limit", 0)
    deadline = time.monotonic() + limit if limit else None
    while (state := connection.poll()) != extensions.POLL_OK:
        watched = select.poll()
        watched.register(connection.fileno(), _EVENTS[state])
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not watched.poll(left):
            raise psycopg2.OperationalError(f"no answer within {limit} s")
