"""What `serve` and `worker` share: how much they work, what they take, and how they stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from fraisier.cli.context import Context
from fraisier.cli.stopping import ALWAYS, catch
from fraisier.cli.streams import LogHandler
from fraisier.config.labels import labels_of
from fraisier.config.settings import Settings
from fraisier.domain.plain_text import REASON, clean, one_line
from fraisier.domain.worker import NewWorker
from fraisier.engine.queue import Stop
from fraisier.engine.reloading import Reloading

Command = Callable[..., None]


def working_options(command: Command) -> Command:
    """Give a command the options of a process that works on the queue."""
    concurrency = click.option(
        "--concurrency", type=click.IntRange(1, 100), default=4, show_default=True,
        envvar="FRAISIER_CONCURRENCY", metavar="NUMBER",
        help="How many deployments to work on at once; one for each target.",
    )  # fmt: skip
    drain = click.option(
        "--drain", type=click.FloatRange(0), default=60, show_default=True,
        envvar="FRAISIER_DRAIN", metavar="SECONDS",
        help="How long running deployments may go on when it is stopped.",
    )  # fmt: skip
    label = click.option(
        "--label", "labels", multiple=True, metavar="KIND=VALUE",
        help="Take only targets with this region or network, as region=eu; may be repeated.",
    )  # fmt: skip
    name = click.option("--name", metavar="TEXT", help="What to call it; default: machine:process.")
    return concurrency(drain(label(name(command))))


def new_worker(
    kind: str, settings: Settings, concurrency: int, labels: Sequence[str], name: str | None
) -> NewWorker:
    """Return this process as a worker; raise UsageError for a label that is none."""
    defaults = {"region": settings.region, "network": settings.network}
    called = (name or "").strip() or f"{socket.gethostname()}:{os.getpid()}"
    return NewWorker(called, kind, labels_of(labels, defaults), concurrency)


def described(worker: NewWorker) -> str:
    """Return who works and on what, for people."""
    shown = ", ".join(f"{kind} {value}" for kind, value in sorted(worker.labels.items()))
    return f"{worker.name} takes {f'targets of {shown}' if shown else 'every target'}"


def log_to_stderr() -> None:
    """Send what the parts of a server say to standard error."""
    handler = LogHandler()
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("fraisier").setLevel(logging.INFO)


class OneLine(logging.Formatter):
    """Writes each record so that what others said in it cannot look like another record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """Return the record's line."""
        record.message = one_line(record.message, REASON)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - of the base class
        """Return a traceback, indented below its record."""
        return "  " + clean(super().formatException(ei)).replace("\n", "\n  ")


def stop_on_signals(stop: Stop, context: Context) -> None:
    """Let SIGTERM, SIGQUIT and Ctrl-C drain, and the second of them cancel what still runs."""

    def ask(*_: Any) -> None:
        if stop.drain.is_set():
            context.say("stopping now: what runs is cancelled, and goes back first")
            stop.now.set()
        else:
            context.say("stopping: what runs may end; the same signal again cancels it")
            stop.drain.set()

    catch(ask, *ALWAYS, signal.SIGQUIT)


@contextmanager
def following(reloading: Reloading) -> Iterator[None]:
    """Follow the configuration's files while the block runs; SIGHUP has them read at once."""
    signal.signal(signal.SIGHUP, lambda *_: reloading.ask())
    with reloading.following():
        yield
