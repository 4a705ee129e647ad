"""Webhooks: what goes out, and to whom; what came in from git hosts; either once more."""

from __future__ import annotations

import sys

import click

from fraisier.cli.context import Context, table
from fraisier.cli.control import Json
from fraisier.cli.exits import GENERAL
from fraisier.domain.delivery import DeliveryStatus
from fraisier.domain.incoming import IncomingStatus

#: How the ids of what came in begin.
CAME_IN = "whi_"


@click.group()
def webhook() -> None:
    """Look at what goes out and what came in, test receivers, do either once more."""


@webhook.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the receivers that are configured, and how each does."""
    found = context.control.endpoints()
    columns = ("name", "type", "to", "events", "state", "waiting")
    context.emit({"endpoints": found}, table([_endpoint(each) for each in found], columns))


@webhook.command()
@click.argument("name")
@click.pass_obj
def test(context: Context, name: str) -> None:
    """Send a receiver a test, once; one that gets through enables it where it was disabled."""
    delivery = context.control.test_endpoint(name)
    last = delivery["attempts"][-1]
    got_through = delivery["status"] == DeliveryStatus.DELIVERED
    said = "got through" if got_through else f"did not get through: {last['problem']}"
    context.emit(delivery, f"the test of {name} {said} ({last['seconds']:.1f} s)")
    if not got_through:
        sys.exit(GENERAL)


@webhook.command()
@click.argument("name", required=False)
@click.option("--status", type=click.Choice([status.value for status in DeliveryStatus]),
              help="Only those with this status.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True,
              help="How many to list at most, the newest.")  # fmt: skip
@click.pass_obj
def deliveries(context: Context, name: str | None, status: str | None, limit: int) -> None:
    """Show what went out and what came of it, to one receiver or to all."""
    found = context.control.deliveries(name, status, limit)
    columns = ("id", "endpoint", "event", "status", "tries", "when", "last")
    context.emit({"deliveries": found}, table([_delivery(each) for each in found], columns))


@webhook.command()
@click.argument("delivery_id", metavar="ID")
@click.pass_obj
def redeliver(context: Context, delivery_id: str) -> None:
    """Send something again that went out, or deal once more with what a git host sent.

    What is sent again has the same webhook-id; a server or worker does the sending.
    """
    if delivery_id.startswith(CAME_IN):
        found = context.control.receive_again(delivery_id)
        context.emit(found, _came_to(found))
        return
    again = context.control.redeliver(delivery_id)
    context.emit(again, f"{again['id']} to {again['endpoint']} is due now")


@webhook.command()
@click.option("--provider", help="Only those of this git host.")
@click.option("--status", type=click.Choice([status.value for status in IncomingStatus]),
              help="Only those with this status.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True,
              help="How many to list at most, the newest.")  # fmt: skip
@click.pass_obj
def received(context: Context, provider: str | None, status: str | None, limit: int) -> None:
    """Show what git hosts sent and what came of it."""
    found = context.control.received(provider, status, limit)
    columns = ("id", "provider", "event", "repository", "ref", "when", "came to")
    context.emit({"deliveries": found}, table([_received(each) for each in found], columns))


def _received(found: Json) -> Json:
    first = (found["pushes"] or [{"repository": "-", "ref": "-"}])[0]
    when = _time(found["received_at"])
    return {**found, **first, "id": found["delivery"], "when": when, "came to": _came_to(found)}


def _came_to(found: Json) -> str:
    """Return what came of a delivery: its deployments, or why there are none."""
    made = [each["deployment_id"] or each["reason"] for each in found["deployments"]]
    return ", ".join(made) if made else f"{found['status']}: {found['reason']}".rstrip(": ")


def _endpoint(found: Json) -> Json:
    state = "ok"
    if not found["enabled"]:
        state = f"disabled {_time(found['disabled_at'])}: {found['disabled_reason']}"
    elif found["failing_since"]:
        state = f"failing since {_time(found['failing_since'])}"
    return {**found, "events": " ".join(found["events"]), "state": state,
            "waiting": str(found["pending"])}  # fmt: skip


def _delivery(found: Json) -> Json:
    attempts = found["attempts"]
    last = attempts[-1]["problem"] or str(attempts[-1]["status_code"]) if attempts else "-"
    if found["status"] == DeliveryStatus.PENDING and attempts:
        last = f"{last}; again {_time(found['next_at'])}"
    when = _time(found["created_at"])
    return {**found, "tries": str(len(attempts)), "when": when, "last": last}


def _time(text: str | None) -> str:
    return (text or "-")[:19].replace("T", " ")
