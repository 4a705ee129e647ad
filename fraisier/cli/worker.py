"""Working on the queue without an API: as many of these as you like, on any machine."""

from __future__ import annotations

from collections.abc import Sequence

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
from fraisier.engine.queue import Stop


@click.command()
@working_options
@click.pass_obj
def worker(
    context: Context, concurrency: int, drain: float, labels: Sequence[str], name: str | None
) -> None:
    """Work on the queue until stopped; the API is served by another process.

    SIGTERM, SIGQUIT or Ctrl-C stops it: nothing more is begun, what runs may end; after --drain
    seconds, or at the second signal, it is cancelled and goes back first.
    """
    log_to_stderr()
    stop, application = Stop(), context.application
    new = new_worker("worker", application.settings, concurrency, labels, name)
    queue = application.queue_worker(new, drain)
    stop_on_signals(stop, context)
    context.say(f"{described(new)}, {concurrency} at once, from {application.where}")
    with application.wakeups(), following(application.reloading):
        queue.serve(stop)
