"""What was said during a deployment: by the build, the service and the host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import click

from fraisier.cli.arguments import deployment_argument
from fraisier.cli.context import Context
from fraisier.cli.control import Json, follow
from fraisier.cli.harmless import harmless
from fraisier.cli.live import Waiting


@click.command()
@deployment_argument
@click.option("--follow", "following", is_flag=True,
              help="Print lines as hosts report them, to the end of the deployment.")  # fmt: skip
@click.pass_obj
def logs(context: Context, deployment_id: str, following: bool) -> None:
    """Print what the build, the service and the host said during a deployment."""
    lines = _Lines(context)
    if following:
        with suppress(KeyboardInterrupt):
            follow(context.control, deployment_id, lines)
    elif context.json:
        context.emit({"logs": _said(context.control.events(deployment_id))}, "")
    else:
        lines.tell(context.control.events(deployment_id))


class _Lines(Waiting):
    """Prints lines on stdout as they come."""

    def tell(self, events: Sequence[Json]) -> None:
        for event in _said(events):
            self._context.stream(event, _text(event))


def _said(events: Sequence[Json]) -> list[Json]:
    return [event for event in events if event["type"] == "log.line"]


def _text(event: Json) -> str:
    who = f"{event['host'] or 'here'} {event['data'].get('step')}"
    lines = harmless(str(event["data"].get("text", ""))).splitlines()
    return "\n".join(f"{who}: {line}" for line in lines)
