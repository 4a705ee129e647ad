"""The service itself: how it is, its log, restarting it, a command beside it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from fraisier.cli.arguments import target_arguments
from fraisier.cli.context import Context, table
from fraisier.cli.exits import FAILED, GENERAL, REFUSED
from fraisier.cli.harmless import harmless
from fraisier.cli.live import MARKS
from fraisier.cli.look import moment
from fraisier.cli.present import short
from fraisier.cli.stopping import Stopping
from fraisier.engine.tending import MOST_LINES, Where

#: Between two looks of `logs -f`.
FOLLOW_SECONDS = 2.0
#: What a host answers when the service is not well, and when a deployment is at work there.
UNWELL = frozenset({"health_check_failed", "start_failed", "stop_failed", "job_failed"})
BUSY = "fence_held"

Json = dict[str, Any]
Command = Callable[..., None]

host_option = click.option("--host", "host_name", metavar="NAME", help="Only this host.")


@click.group()
def app() -> None:
    """See or restart a deployed service, read its log, run a command beside it."""


@app.command()
@target_arguments
@host_option
@click.pass_obj
def status(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Show how the service is on each host: state, process, since when, restarts, memory."""
    found = context.control.app_status(Where(fraise, environment, host_name))
    context.emit({"hosts": found}, _status_text(found))
    stopped = any(not host["ok"] for host in found if not host["error"])
    sys.exit(FAILED if stopped else _code(found))


@app.command()
@target_arguments
@host_option
@click.option("-n", "--lines", type=click.IntRange(1, MOST_LINES), default=100, show_default=True,
              help="At most so many lines of each host, the last ones.")  # fmt: skip
@click.option("--since", metavar="TIME", help="A date (2026-11-23) or an age (30m, 12h, 7d).")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.pass_obj
def logs(
    context: Context,
    fraise: str,
    environment: str,
    host_name: str | None,
    lines: int,
    since: str | None,
    follow: bool,
) -> None:
    """Print what the service wrote to the journal of its hosts."""
    where = Where(fraise, environment, host_name)
    first: Json = {"lines": lines, **({"start": moment(since) / 1e6} if since else {})}
    if follow:
        _follow(context, where, first)
        return
    found, _ = context.control.app_logs(where, first, _never, False)
    entries = _entries(found)
    many = len(found) > 1
    context.emit({"logs": entries}, "\n".join(_entry_text(entry, many) for entry in entries))
    _say_errors(context, found)
    sys.exit(_code(found))


@app.command()
@target_arguments
@host_option
@click.pass_obj
def restart(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Restart the service, max_parallel hosts at once; each must become healthy."""
    _control(context, Where(fraise, environment, host_name), "restart")


@app.command()
@target_arguments
@host_option
@click.pass_obj
def start(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Start the service where it is stopped; it must become healthy."""
    _control(context, Where(fraise, environment, host_name), "start")


@app.command()
@target_arguments
@host_option
@click.pass_obj
def stop(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Stop the service; the next deployment, or start, brings it back."""
    _control(context, Where(fraise, environment, host_name), "stop")


@app.command(name="exec")
@target_arguments
@host_option
@click.option("--timeout", type=click.FloatRange(0, 86400, min_open=True), default=600.0,
              show_default=True, metavar="SECONDS",
              help="End the command after this long.")  # fmt: skip
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(
    context: Context,
    fraise: str,
    environment: str,
    host_name: str | None,
    timeout: float,
    command: tuple[str, ...],
) -> None:
    """Run a command as the service's user, in its release, with its environment.

    Write -- before the command. It runs on every host at once, without a shell.
    """
    found = context.control.app_exec(Where(fraise, environment, host_name), command, timeout)
    many = len(found) > 1
    context.emit({"hosts": found}, "\n".join(_exec_text(host, many) for host in found))
    _say_errors(context, found)
    failed = any(host["exit_status"] != 0 for host in found if not host["error"])
    sys.exit(FAILED if failed else _code(found))


# --- answers ----------------------------------------------------------------------------


def _code(found: Sequence[Json]) -> int:
    """Return the exit code for what hosts could not do: unwell before busy before silent."""
    codes = {host["error"]["code"] for host in found if host["error"]}
    if codes & UNWELL:
        return FAILED
    return REFUSED if BUSY in codes else GENERAL if codes else 0


def _say_errors(context: Context, found: Sequence[Json]) -> None:
    for host in found:
        if host["error"]:
            context.say(_failed(context, host))


def _failed(context: Context, host: Json) -> str:
    mark, color = MARKS[False]
    error = host["error"]
    hint = f"\n    {error['hint']}" if error.get("hint") else ""
    return f"{context.style(mark, fg=color)} {host['host']}  {harmless(error['message'])}{hint}"


# --- restart, start, stop -----------------------------------------------------------------


def _control(context: Context, where: Where, verb: str) -> None:
    done = context.control.app_control(
        where, verb, lambda host: context.say(_controlled(context, host, verb))
    )
    found, left = done["hosts"], done["left"]
    if left:
        context.say(f"left as they are: {', '.join(left)}")
    context.emit({"hosts": found, "left": left}, _status_text(found))
    sys.exit(_code(found))


def _controlled(context: Context, host: Json, verb: str) -> str:
    if host["error"]:
        return _failed(context, host)
    mark, color = MARKS[True]
    gate = host.get("gate")
    well = f", healthy after {gate.get('seconds', 0):.1f} s" if gate else ""
    done = {"stop": "stopped", "start": "started", "restart": "restarted"}[verb]
    return f"{context.style(mark, fg=color)} {host['host']}  {done}{well}"


def _status_text(found: Sequence[Json]) -> str:
    columns: tuple[str, ...] = (
        "host", "state", "release", "version", "pid", "since", "restarts", "memory",
    )  # fmt: skip
    if any("last_run" in host for host in found):
        columns = ("host", "state", "release", "version", "last run", "next run")
    rows = [_status_row(host) for host in found]
    hints = [
        f"{host['host']}: {harmless(host['error']['message'])}\n  {host['error'].get('hint', '')}"
        for host in found
        if host["error"]
    ]
    return "\n".join([table(rows, columns), *hints])


def _status_row(host: Json) -> Json:
    if host["error"]:
        return {"host": host["host"], "state": host["error"]["code"]}
    unit, release = host["unit"], host["release"] or {}
    memory = host["memory_bytes"]
    since = datetime.fromtimestamp(host["since"]) if host["since"] else None
    return {
        "host": host["host"],
        "state": f"{unit['active_state']} ({unit['sub_state']})",
        "release": release.get("id") or "-",
        "version": short(release.get("version") or "-"),
        "pid": unit.get("main_pid") or "-",
        "since": since.isoformat(" ", "seconds") if since else "-",
        "restarts": str(unit.get("n_restarts") or 0),
        **_run_columns(host),
        "memory": f"{memory / 2**20:.1f} MiB" if memory is not None else "-",
    }


def _run_columns(host: Json) -> Json:
    """Return how a service that comes to an end ran last, and when it runs next."""
    last = host.get("last_run")
    if last is None:
        return {"last run": "never", "next run": host.get("next") or "when asked"}
    at = datetime.fromtimestamp(last["started_at"]).isoformat(" ", "seconds")
    ended = f"{last['result']}, exit status {last.get('exit_status')}, {last['seconds']:.1f} s"
    told = f"running since {at}" if last["running"] else f"{at}: {ended}"
    return {"last run": told, "next run": host.get("next") or "when asked"}


# --- logs ---------------------------------------------------------------------------------


def _never() -> bool:
    return False


def _follow(context: Context, where: Where, first: Json) -> None:
    asked, warned = first, set[str]()
    pause = threading.Event()
    with Stopping(pause.set, None) as stopping:
        while not stopping.wanted():
            found, asked = context.control.app_logs(where, asked, stopping.wanted, True)
            if stopping.wanted():
                return
            many = len(found) > 1
            for entry in _entries(found):
                context.stream(entry, _entry_text(entry, many))
            _say_errors(context, [h for h in found if h["error"] and h["host"] not in warned])
            warned = {host["host"] for host in found if host["error"]}
            if len(warned) == len(found):
                sys.exit(GENERAL)
            pause.wait(FOLLOW_SECONDS)


def _entries(found: Sequence[Json]) -> list[Json]:
    """Return the entries of all hosts in the order of their time."""
    entries = [
        {"host": host["host"], **entry} for host in found for entry in host.get("entries", ())
    ]
    return sorted(entries, key=lambda entry: float(entry["at"]))


def _entry_text(entry: Mapping[str, Any], many: bool) -> str:
    at = datetime.fromtimestamp(entry["at"]).isoformat(" ", "milliseconds")
    who = f"{entry['host']} " if many else ""
    return "\n".join(_lines(f"{who}{at} {harmless(entry['source'])}", entry["text"]))


def _lines(head: str, text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield f"{head}: {harmless(line)}"


def _exec_text(host: Json, many: bool) -> str:
    if host["error"]:
        return ""
    output = harmless(host["output"]).rstrip("\n")
    if host["timed_out"]:
        output += "\n(its time ran out)"
    heading = f"{host['host']} ended with {host['exit_status']}\n" if many else ""
    return heading + output
