"""What people are told of an event: a template filled in, for each chat in its own writing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from fraisier.domain.delivery import EMAIL, PING, Endpoint
from fraisier.domain.notice import Notice
from fraisier.domain.template import fill
from fraisier.webhooks.outgoing.payloads import is_end

HEADLINE = "{fraise} in {environment}: {summary}"
END = HEADLINE + ", version {short_version}, after {duration}, by {triggered_by} ({deployment_id})"
ON_HOST = ", on {host}"
OTHER = HEADLINE + " (version {short_version}, by {triggered_by}, {deployment_id})"
WITHOUT_DEPLOYMENT = "Fraisier: {summary}"
REASON = "\n{reason}"
#: Discord takes 2,000 characters; nobody reads more in any chat.
LONGEST_TEXT = 1800
LONGEST_VALUE = 500
#: Discord's flag that no preview of links is shown.
NO_PREVIEWS = 4

Write = Callable[[str], str]


def message_body(endpoint: Endpoint, notice: Notice) -> str:
    """Return the JSON text that a chat is posted, or `{"subject", "text"}` for email."""
    values = values_of(notice)
    write = _WRITING.get(endpoint.kind, str)
    written = {name: write(value) for name, value in values.items()}
    template = endpoint.template or _template(notice, values)
    text = _short(fill(template, written), LONGEST_TEXT)
    if endpoint.kind == EMAIL:
        return json.dumps({"subject": subject_of(notice, values), "text": text})
    return json.dumps(_SHAPES[endpoint.kind](text))


def subject_of(notice: Notice, values: Mapping[str, str]) -> str:
    """Return the subject of an email: one line."""
    named = HEADLINE if notice.fraise else WITHOUT_DEPLOYMENT
    return _short(" ".join(f"[fraisier] {fill(named, values)}".split()), 150)


def values_of(notice: Notice) -> dict[str, str]:
    """Return what a template may name, as plain lines of bounded length; empty where unknown."""
    data = notice.data
    found: dict[str, Any] = {
        "event": notice.event_type,
        "summary": _summary(notice),
        "status": data.get("status"),
        "reason": data.get("reason") or data.get("message"),
        "fraise": notice.fraise,
        "environment": notice.environment,
        "deployment_id": notice.deployment_id,
        "kind": notice.kind,
        "version": notice.version,
        "short_version": _short_version(notice.version or ""),
        "strategy": notice.strategy,
        "provider": notice.provider,
        "triggered_by": notice.triggered_by,
        "host": notice.host,
        "region": notice.region,
        "duration": _duration(data.get("duration_seconds")),
        "timestamp": notice.timestamp,
    }
    return {name: _line(value) for name, value in found.items()}


def _template(notice: Notice, values: Mapping[str, str]) -> str:
    reason = REASON if values["reason"] else ""
    if not notice.fraise:
        return WITHOUT_DEPLOYMENT + reason
    if notice.deployment_id is None:
        return HEADLINE + (ON_HOST if values["host"] else "") + reason
    return (END if is_end(notice) else OTHER) + reason


def _summary(notice: Notice) -> str:
    if notice.event_type == PING:
        return "a test"
    if is_end(notice) and notice.data.get("status"):
        return str(notice.data["status"]).replace("_", " ")
    if notice.event_type == "metrics.service":
        return f"{notice.data.get('healthy')} of {notice.data.get('hosts')} hosts well"
    family, _, name = notice.event_type.partition(".")
    said = name if family == "deployment" else f"{family} {name}"
    return said.replace("_", " ")


def _short_version(version: str) -> str:
    if version.startswith("sha256:"):
        return version.removeprefix("sha256:")[:12]
    return version[:7] if len(version) in (40, 64) else version


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _line(value: Any) -> str:
    if value is None:
        return ""
    plain = "".join(c if c.isprintable() else " " for c in str(value))
    return _short(" ".join(plain.split()), LONGEST_VALUE)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _for_slack(text: str) -> str:
    """Write a value so that Slack sees no mention, channel or link in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_discord(text: str) -> str:
    """Write a value so that Discord sees no markup in it; the message allows no mentions anyway."""
    return re.sub(r"([\\*_~`|<>#@:\[\]()-])", r"\\\1", text)


def _slack(text: str) -> dict[str, Any]:
    quiet = {"mrkdwn": False, "link_names": False, "parse": "none"}
    return {"text": text, **quiet, "unfurl_links": False, "unfurl_media": False}


def _discord(text: str) -> dict[str, Any]:
    return {"content": text, "allowed_mentions": {"parse": []}, "flags": NO_PREVIEWS}


def _teams(text: str) -> dict[str, Any]:
    """Return an adaptive card: runs of text, in which Teams reads no markup and no mention."""
    lines = [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}
        for line in text.splitlines() or [""]
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


_WRITING: Mapping[str, Write] = {"slack": _for_slack, "discord": _for_discord}
_SHAPES: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
}
