"""The server: the control API and the work on its queue, in one process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from fraisier.cli.context import Context
from fraisier.cli.working import (
    described,
    following,
    log_to_stderr,
    new_worker,
    stop_on_signals,
    working_options,
)
from fraisier.domain.errors import FraisierError, UsageError
from fraisier.engine.queue import QueueWorker, Stop

if TYPE_CHECKING:
    from fraisier.api import Services
    from fraisier.api.http_server import Server
    from fraisier.engine.following import Following

DEFAULT_BIND = "127.0.0.1:8000"
LAST_WORDS_SECONDS = 2.0
LAST_ANSWERS_SECONDS = 0.3
CHECK_SECONDS = 0.2


@click.command()
@click.option("--bind", default=DEFAULT_BIND, show_default=True, envvar="FRAISIER_BIND",
              metavar="ADDRESS:PORT", help="Where to listen.")  # fmt: skip
@click.option("--without-worker", is_flag=True,
              help="Only the API; another process works on the queue.")  # fmt: skip
@working_options
@click.pass_obj
def serve(
    context: Context,
    bind: str,
    without_worker: bool,
    concurrency: int,
    drain: float,
    labels: Sequence[str],
    name: str | None,
) -> None:
    """Serve the control API and work on its queue until stopped.

    SIGTERM, SIGQUIT or Ctrl-C stops it: nothing more is begun, what runs may end; after --drain
    seconds, or at the second signal, it is cancelled and goes back first.
    """
    host, port = _parse(bind)
    log_to_stderr()
    stop, application = Stop(), context.application
    new = new_worker("serve", application.settings, concurrency, labels, name)
    worker = None if without_worker else application.queue_worker(new, drain)
    services = application.services(worker, stop)
    server = _server(services, host, port)
    stop_on_signals(stop, context)
    context.say(announcement(bind))
    if worker is not None:
        context.say(f"{described(new)}, {concurrency} at once, from {application.where}")
    with application.wakeups(), following(application.reloading):
        Serving(server, worker, stop, services.following).run()


def announcement(bind: str) -> str:
    """Return where a server answers, as it says when it begins."""
    return f"fraisier serves on http://{bind} (health: http://{bind}/health); Ctrl-C stops it"


class Serving:
    """The API and the worker, each in a thread; the process ends when one of them has failed."""

    def __init__(
        self, server: Server, worker: QueueWorker | None, stop: Stop, following: Following
    ) -> None:
        self._server = server
        self._following = following
        self._stop = stop
        self._failed: list[str] = []
        self._api = threading.Thread(
            target=self._guarded, args=("the API", server.run), name="api", daemon=True
        )
        work = stop.drain.wait if worker is None else lambda: worker.serve(stop)
        self._worker = threading.Thread(
            target=self._guarded, args=("the worker", work), name="worker"
        )

    def run(self) -> None:
        """Serve until asked to stop, then let the work end; raise FraisierError after a failure."""
        self._worker.start()
        self._api.start()
        while self._api.is_alive() and self._worker.is_alive():
            self._worker.join(CHECK_SECONDS)
        self._stop.drain.set()
        self._worker.join()
        self._following.join(LAST_WORDS_SECONDS)
        self._server.shutdown()  # answers that are being made are finished
        self._api.join(LAST_ANSWERS_SECONDS)  # and sent; the process takes its sockets along
        if self._failed:
            raise FraisierError(
                f"{' and '.join(self._failed)} ended by an error",
                "the log above says which; start the server again",
            )

    def _guarded(self, name: str, part: Callable[[], object]) -> None:
        try:
            part()
        except Exception:
            logging.getLogger("fraisier").exception("%s failed", name)
            self._failed.append(name)


def _server(services: Services, host: str, port: int) -> Server:
    from fraisier.api import create_app
    from fraisier.api.http_server import LARGEST_BODY_BYTES, Server

    body_bytes = max(LARGEST_BODY_BYTES, services.push_bytes)
    try:
        return Server.listening(create_app(services), host, port, body_bytes)
    except OSError as error:
        raise FraisierError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another with --bind"
        ) from None


def _parse(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f'"{bind}" is no address to listen on', f"write it as {DEFAULT_BIND}")
    return host.strip("[]"), int(port)
