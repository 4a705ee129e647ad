"""Waitress as the control API needs it: streams without threads, and bounds on what waits."""

from __future__ import annotations

import fcntl
import json
import logging
import re
import struct
import termios
import time
from typing import Any, cast

from waitress.adjustments import Adjustments
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error

from fraisier.api.problems import PROBLEM, RETRY_SECONDS
from fraisier.api.streams import KEEP

THREADS = 24
#: Requests that may wait for a thread, connections that are answered, and those that are held.
WAITING = 256
CONNECTIONS, MOST_CONNECTIONS = 700, 900
LARGEST_HEAD_BYTES = 64 << 10
#: A body of at most this size is kept for Flask, which refuses most of them with a reason.
LARGEST_BODY_BYTES = 8 << 20
#: How long a request may take to arrive, a connection be idle, and last bytes find no taker.
REQUEST_SECONDS, IDLE_SECONDS, LAST_SECONDS = 30, 60, 10
CLEANUP_SECONDS = 2
LIVE = ("/health/live", "/api/v1/health/live")


class Busy(Error):
    """The error where too much waits already."""

    code, reason = 503, "Service Unavailable"


#: What the server refuses before the application has it: what is said, and what to do.
REFUSALS = {
    400: ("this is not HTTP as it should be", "send it with a library that knows HTTP"),
    413: ("the body is larger than anything that is taken here", "send less"),
    431: (f"the head is larger than {LARGEST_HEAD_BYTES >> 10} KiB", "send fewer headers"),
    501: ("this transfer encoding is not known", "send it with a Content-Length"),
    503: ("the server has too many requests at once", "try again in a moment"),
}


#: How the end of a body is said; a request that says it in both ways may hide another one.
FRAMING = re.compile(rb"\n(content-length|transfer-encoding):", re.IGNORECASE)


class Parser(HTTPRequestParser):
    """Reads a request; what cannot be one is answered 400, without a traceback in the log."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head. Where two readers may see different ends of it, the connection closes.

        That is as RFC 9112, 6.1 and 6.3, demands it.
        """
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # `http://[::1/`, or a length of five thousand digits
            raise ParsingError("Bad URI or Content-Length") from error
        framing = {each.lower() for each in FRAMING.findall(header_plus)}
        if len(framing) > 1 or (b"transfer-encoding" in framing and self.version != "1.1"):
            self.headers = {**self.headers, "CONNECTION": "close"}


class RefusalTask(ErrorTask):
    """Answers what the application never has, as problem details; it repeats nothing of it."""

    def execute(self) -> None:
        """Send the answer."""
        error = self.request.error
        code = "unavailable" if error.code == Busy.code else error.reason.lower().replace(" ", "_")
        said = {"status": error.code, "code": code, "title": error.reason}
        if error.code in REFUSALS:
            said["detail"], said["hint"] = REFUSALS[error.code]
        self.status = f"{error.code} {error.reason}"
        headers = [("Content-Type", PROBLEM), ("Cache-Control", "no-store")]
        if error.code == Busy.code:
            headers.append(("Retry-After", str(RETRY_SECONDS)))
        self.response_headers = [*self.response_headers, *headers]
        body = json.dumps(said).encode()
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class KeptConnection:
    """The way to a client whose request was answered, and whose answer goes on."""

    def __init__(self, channel: Channel, task: StreamingTask) -> None:
        self._channel = channel
        self._task = task

    @property
    def pending(self) -> int:
        """Return how many bytes have not left."""
        return self._channel.total_outbufs_len

    @property
    def unread(self) -> int:
        """Return how many bytes the client's machine has not confirmed, as far as this is known.

        The kernel takes megabytes for a client that reads nothing, so what waits there counts too.
        """
        return self.pending + self._channel.unconfirmed

    @property
    def gone(self) -> bool:
        """True once the client has gone, or the connection is to be closed."""
        return not self._channel.connected or self._channel.will_close

    def write(self, data: bytes) -> None:
        """Send what the socket takes now; the server's loop sends the rest.

        Each time in a new buffer: waitress keeps what has left one until it is full, and that is
        megabytes for each viewer.
        """
        self._channel.current_outbuf_count = self._channel.adj.outbuf_high_watermark
        try:
            self._task.write(data)
        except ClientDisconnected:
            self._channel.connected = False

    def close(self) -> None:
        """End the answer and, when all has left, the connection."""
        try:
            self._task.last_chunk()
        except ClientDisconnected:
            return
        self._channel.last_activity = time.time()
        self._channel.close_when_flushed = True
        self._channel.server.pull_trigger()


class StreamingTask(WSGITask):
    """A request whose connection the application may keep; then no thread stays with it."""

    kept = False

    def get_environment(self) -> dict[str, Any]:
        """Return the environment, with the way to keep the connection."""
        environ = super().get_environment()
        environ[KEEP] = self._keep
        return environ

    def service(self) -> None:
        """Answer; what was kept is not closed."""
        super().service()
        if self.kept:
            self.close_on_finish = False

    def finish(self) -> None:
        """End the answer, unless others go on with it."""
        if not self.kept:
            super().finish()

    def last_chunk(self) -> None:
        """End an answer that was gone on with."""
        super().finish()

    def _keep(self) -> KeptConnection:
        channel = cast(Channel, self.channel)
        self.kept = channel.kept = True
        return KeptConnection(channel, self)


class Channel(HTTPChannel):
    """A connection. Once it is kept, the thread of the streams and the server's loop share it."""

    task_class, error_task_class, parser_class = StreamingTask, RefusalTask, Parser
    kept = refused = False
    began = 0.0

    def received(self, data: bytes) -> bool:
        """Take what a client sends; nothing more is heard on a kept connection."""
        if self.kept:
            return False
        if self.request is None:
            self.began = time.time()
        heard = super().received(data)
        self._refuse()
        return heard

    def service(self) -> None:
        """Answer one request."""
        super().service()
        self._refuse()

    def send_continue(self) -> None:
        """Let a client send a body, unless its connection is kept: nothing is read there."""
        if not self.kept:
            super().send_continue()

    @property
    def unconfirmed(self) -> int:
        """Return how many bytes the kernel holds until the client's machine confirms them."""
        connection = self.socket
        if connection is None:
            return 0
        try:
            answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return 0  # it is closed by now
        return int(struct.unpack("i", answer)[0])

    def late(self, now: float) -> bool:
        """True if its request takes too long to arrive, or nobody takes its last bytes."""
        if self.request is not None and not self.kept:
            return now - self.began > REQUEST_SECONDS
        return self.close_when_flushed and now - self.last_activity > LAST_SECONDS

    def _refuse(self) -> None:
        """Answer here and now what found no place among those who wait."""
        with self.requests_lock:
            if not self.refused:
                return
            self.refused = False
            request: Any = self.parser_class(self.adj)
            request.error, request.version = Busy(""), self.requests[0].version
        try:
            self.error_task_class(self, request).service()
        except ClientDisconnected:
            self.connected = False
        with self.requests_lock:
            self.close_when_flushed = True
            for waiting in self.requests:
                waiting.close()
            self.requests = []

    def _flush_some(self, do_close: bool = True) -> bool:
        with self.outbuf_lock:
            return bool(super()._flush_some(do_close=do_close))


class Server(TcpWSGIServer):
    """The control API's HTTP server.

    A request waits for one of the threads, at most so many do, and the rest is answered 503 at
    once, as all is where there are too many connections. Whether the process lives is answered by
    a thread of its own.
    """

    channel_class = Channel

    of_life: ThreadedTaskDispatcher

    @classmethod
    def listening(
        cls, application: Any, host: str, port: int, body_bytes: int = LARGEST_BODY_BYTES
    ) -> Server:
        """Return what runs a server on each address of a host; raise OSError.

        A larger body than `body_bytes` is not kept: Flask cannot say why it is refused.
        """
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        adjustments = Adjustments(
            listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            ident="fraisier",
            connection_limit=MOST_CONNECTIONS,
            max_request_header_size=LARGEST_HEAD_BYTES,
            max_request_body_size=body_bytes,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=CLEANUP_SECONDS,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,
        )
        shared: dict[str, Any] = {"map": {}, "adj": adjustments, "dispatcher": _threads(THREADS)}
        addresses: list[Any] = adjustments.listen
        made = [cls(application, sockinfo=each, **shared) for each in addresses]
        for server in made:
            server.of_life = _threads(1)
        return made[-1]

    def add_task(self, task: Task) -> None:
        """Have a channel served, or let it say that it cannot be.

        Requests behind a stream are dropped: their answers could never be told from it. The
        connection closes after it, so a client knows that nothing was done.
        """
        channel = cast(Channel, task)
        if channel.kept:
            for each in channel.requests:
                each.close()
            channel.requests.clear()
            return
        request = channel.requests[0]
        full = len(self._map) > CONNECTIONS or len(self.task_dispatcher.queue) >= WAITING
        if not request.error and request.path in LIVE:
            self.of_life.add_task(task)
        elif full:
            channel.refused = True
        else:
            self.task_dispatcher.add_task(task)

    def maintenance(self, now: int) -> None:
        """Close idle and late connections; a client that takes nothing is not waited for."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.will_close or channel.late(now):
                channel.handle_close()

    def shutdown(self) -> None:
        """Finish the answers that are being made, and take no more requests."""
        self.task_dispatcher.shutdown()


def _threads(count: int) -> ThreadedTaskDispatcher:
    threads = ThreadedTaskDispatcher()
    threads.set_thread_count(count)
    return threads
