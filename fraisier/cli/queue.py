"""The queue: what waits and why, what runs where, who works; to pause it, resume it, drain it."""

from __future__ import annotations

import sys
import time

import click

from fraisier.cli.context import Context, table
from fraisier.cli.control import Json
from fraisier.cli.exits import TIMED_OUT
from fraisier.cli.present import named, short

POLL_SECONDS = 0.5


@click.group(invoke_without_command=True)
@click.pass_context
def queue(ctx: click.Context) -> None:
    """Show the queue, or pause it, resume it, drain it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@queue.command()
@click.pass_obj
def status(context: Context) -> None:
    """Show what waits and why, what runs where, who works, and whether the queue is paused."""
    shown = context.control.queue()
    context.emit(shown, _text(shown))


@queue.command()
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who wait.")
@click.pass_obj
def pause(context: Context, reason: str) -> None:
    """Let nothing more begin, on any worker; what runs goes on, and requests are accepted."""
    found = context.control.pause(reason)
    context.emit(found, f"{_paused(found)}; go on with: fraisier queue resume")


@queue.command()
@click.pass_obj
def resume(context: Context) -> None:
    """Let the queue go on."""
    found = context.control.resume()
    context.emit(found, f"the queue goes on; it was paused since {_time(found['at'])}")


@queue.command()
@click.option("--reason", default="drained", show_default=True, metavar="TEXT",
              help="Why, for those who wait.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="Wait at most this long; the queue stays paused.")  # fmt: skip
@click.pass_obj
def drain(context: Context, reason: str, timeout: float | None) -> None:
    """Pause the queue and wait until nothing runs, on any worker."""
    context.control.pause(reason)
    deadline = None if timeout is None else time.monotonic() + timeout
    told: list[str] = []
    while (shown := context.control.queue())["running"]:
        names = [found["id"] for found in shown["running"]]
        if names != told:
            context.say(f"  still running: {', '.join(names)}")
            told = names
        if deadline is not None and time.monotonic() > deadline:
            context.emit(shown, _text(shown))
            sys.exit(TIMED_OUT)
        time.sleep(POLL_SECONDS)
    context.emit(shown, "nothing runs, and the queue is paused; go on with: fraisier queue resume")


def _text(shown: Json) -> str:
    head = _paused(shown["paused"]) if shown["paused"] else "the queue goes on"
    parts = [
        head,
        _part("running", [_running(found) for found in shown["running"]]),
        _part(f"waiting ({shown['queued']})", [_waiting(found) for found in shown["waiting"]]),
        _part("workers", [_worker(found) for found in shown["workers"]]),
    ]
    return "\n\n".join(parts)


def _part(heading: str, rows: list[Json]) -> str:
    if not rows:
        return f"{heading}: none"
    lines = table(rows, list(rows[0])).replace("\n", "\n  ")
    return f"{heading}:\n  {lines}"


def _running(found: Json) -> Json:
    worker = found["worker"]
    name = "-" if worker is None else worker["name"] if worker["alive"] else _gone(worker["name"])
    return {**_deployment(found), "since": _time(found["started_at"]), "worker": name}


def _waiting(found: Json) -> Json:
    place = {"position": found["position"], "waits for": found["waiting_for"]}
    return {**_deployment(found), "since": _time(found["created_at"]), **place}


def _deployment(found: Json) -> Json:
    target = f"{found['fraise']} {found['environment']}"
    return {"id": found["id"], "target": target, "version": short(found["version"])}


def _worker(found: Json) -> Json:
    labels = " ".join(f"{kind}={value}" for kind, value in sorted(found["labels"].items()))
    return {
        "id": found["id"],
        "name": found["name"] if found["alive"] else _gone(found["name"]),
        "kind": found["kind"],
        "labels": labels or "any",
        "runs": f"{len(found['running'])} of {found['at_once']}",
        "version": found["version"],
        "since": _time(found["started_at"]),
    }


def _paused(pause: Json) -> str:
    by = named(pause["by"], pause.get("by_name"))
    return f"the queue is paused since {_time(pause['at'])} by {by}: {pause['reason']}"


def _gone(name: str) -> str:
    return f"{name} (gone)"


def _time(text: str | None) -> str:
    return (text or "-")[:19].replace("T", " ")
