"""What an answer of the control API must hold, so that commands can rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.domain.delivery import DeliveryStatus
from fraisier.domain.deployment import Status
from fraisier.domain.errors import ServerError
from fraisier.domain.incoming import IncomingStatus

Json = dict[str, Any]

_DEPLOYMENT = (
    "id", "kind", "fraise", "environment", "provider", "branch", "targets", "status", "reason",
    "version", "requested_version", "strategy", "triggered_by", "created_at", "duration_seconds",
)  # fmt: skip
_DELIVERY = ("id", "endpoint", "event", "status", "created_at", "next_at", "attempts")
_RECEIVED = ("delivery", "status", "reason", "provider", "event", "received_at", "pushes",
             "deployments")  # fmt: skip
_FREEZE = ("id", "state", "fraise", "environment", "reason", "by", "from", "until")
_TOKEN = ("id", "name", "scope", "targets", "valid", "expires_at", "last_used_at", "created_by",
          "previous_until")  # fmt: skip
#: What is asked for -> the keys that commands read of it; an answer may have more.
ONE: Mapping[str, tuple[str, ...]] = {
    "deployment": _DEPLOYMENT,
    "details": (*_DEPLOYMENT, "waiting_for", "hosts"),
    "plan": ("fraise", "environment", "version", "requested_version", "plan", "hosts", "ok"),
    "unlocked": ("released",),
    "queue": ("paused", "queued", "waiting", "running", "workers"),
    "pause": ("by", "reason", "at"),
    "freeze": _FREEZE,
    "delivery": _DELIVERY,
    "token": _TOKEN,
    "secret": (*_TOKEN, "token"),
    "received": _RECEIVED,
    "controlled": ("hosts", "left"),
    "log": ("hosts", "next"),
}
MANY: Mapping[str, tuple[str, ...]] = {
    "tokens": _TOKEN,
    "deliveries": _DELIVERY,
    "received": _RECEIVED,
    "endpoints": ("name", "type", "to", "events", "enabled", "failing_since", "pending"),
    "audit": ("id", "at", "actor", "action", "subject", "reason", "result"),
    "deployments": _DEPLOYMENT,
    "events": ("sequence", "type", "at", "host", "data"),
    "freezes": _FREEZE,
    "fraises": ("name", "environments"),
    "providers": ("name", "description", "strategies", "role"),
    "tended": ("host", "state", "error"),
    "targets": ("fraise", "environment", "last_deployment", "held_by", "hosts"),
}


KNOWN = {*Status, *DeliveryStatus, *IncomingStatus}


def one(noun: str, answer: Json) -> Json:
    """Return an answer that is one thing, or raise ServerError."""
    if not _is_whole(ONE[noun], answer):
        raise _other_version(noun)
    return answer


def many(noun: str, answer: Json, key: str = "") -> list[Json]:
    """Return the things that an answer lists under their noun, or `key`; raise ServerError."""
    found = answer.get(key or noun)
    if not isinstance(found, list) or not all(_is_whole(MANY[noun], item) for item in found):
        raise _other_version(noun)
    return found


def _is_whole(keys: tuple[str, ...], item: object) -> bool:
    if not isinstance(item, dict) or not item.keys() >= {*keys}:
        return False
    if "sequence" in item and not isinstance(item["sequence"], int):
        return False
    return "status" not in item or item["status"] in KNOWN


def _other_version(noun: str) -> ServerError:
    return ServerError(
        f"the server's answer has no {noun} as this version knows it",
        "use the same version here and there: fraisier --version",
    )
