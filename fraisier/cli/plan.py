"""What a deployment would do: looked at on the hosts, without changing them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from fraisier.cli.arguments import target_arguments
from fraisier.cli.context import Context
from fraisier.cli.control import who
from fraisier.cli.exits import FAILED
from fraisier.cli.harmless import harmless
from fraisier.cli.live import MARKS
from fraisier.cli.present import short
from fraisier.cli.steps import planned
from fraisier.engine.deployments import Wish

COLORS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@target_arguments
@click.option("--version", help="Branch, tag or full SHA; default: the newest of git_branch.")
@click.option("--strategy", help="recreate, rolling, blue-green or canary; default: as configured.")
@click.pass_obj
def plan(
    context: Context, fraise: str, environment: str, version: str | None, strategy: str | None
) -> None:
    """Show what a deployment would change on each host, and change nothing."""
    report_plan(context, Wish(fraise, environment, who(), version=version, strategy=strategy))


def report_plan(context: Context, wish: Wish) -> None:
    """Print what a deployment would do and end: with 0, or 5 where a host would refuse it."""
    found = context.control.plan(wish)
    context.emit(found, "\n".join(_lines(context, found)))
    sys.exit(0 if found["ok"] else FAILED)


def _lines(context: Context, plan: Mapping[str, Any]) -> Iterator[str]:
    asked = plan["requested_version"]
    name = f" ({asked})" if asked and not plan["version"].startswith(asked) else ""
    yield f"{plan['fraise']} → {plan['environment']}  {short(plan['version'])}{name}"
    for number, step in enumerate(plan["plan"]["steps"], 1):
        yield f"  {number}. {planned(step)}"
    for host in plan["hosts"]:
        yield from _host(context, host, plan["version"])
    yield _summary(context, plan)


def _host(context: Context, host: Mapping[str, Any], version: str) -> Iterator[str]:
    good = host["state"] == "ok"
    mark, color = MARKS[good]
    yield f"{context.style(mark, fg=color)} {host['host']}  {_change(host, version, good)}"
    for entry in host["diff"]:
        yield from (f"  {colored(context, line)}" for line in diff_lines(entry))
    if host["unpredictable"]:
        yield "  not known before it is done:"
    for unknown in host["unpredictable"]:
        yield f"    {unknown.get('step')}: {harmless(str(unknown.get('why')))}"


def _change(host: Mapping[str, Any], version: str, good: bool) -> str:
    if not good:
        error = host["error"] or {}
        hint = f"\n    {error['hint']}" if error.get("hint") else ""
        return f"{error.get('message', host['state'])}{hint}"
    before = short((host["from"] or {}).get("version") or "nothing")
    return (
        f"{before} → {short(version)}" if host["would_change"] else f"{before}; nothing to change"
    )


def diff_lines(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one of Ansible's diffs, which is text already or a before and an after."""
    if "prepared" in entry:
        yield from str(entry["prepared"]).splitlines()
        return
    before, after = (str(entry.get(side) or "").splitlines() for side in ("before", "after"))
    old, new = (str(entry.get(f"{side}_header") or side) for side in ("before", "after"))
    yield from difflib.unified_diff(before, after, old, new, lineterm="")


def colored(context: Context, line: str) -> str:
    """Return a line of a diff in the colour of what it is."""
    return context.style(harmless(line), fg=COLORS.get(line[:1]))


def _summary(context: Context, plan: Mapping[str, Any]) -> str:
    if not plan["ok"]:
        return context.style("this deployment would be refused; nothing was changed", fg="red")
    count = sum(bool(host["would_change"]) for host in plan["hosts"])
    return f"{count} of {len(plan['hosts'])} hosts would change; nothing was changed"
