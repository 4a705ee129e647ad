"""An event as a message: its subject, its JSON, and CloudEvents 1.0 in its headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fraisier.domain.notice import Notice
from fraisier.nats.subjects import family_of, stream_of, subject_of

MESSAGE_ID = "Nats-Msg-Id"
#: What headers may take of the server's largest message, in bytes.
HEADERS_BYTES = 4096
#: Of data that is too long: how much of a text is kept, and which values are, in characters.
TEXT_KEPT, VALUE_KEPT = 4096, 1024
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True)
class Message:
    """What is published for one event."""

    event_id: str
    stream: str
    subject: str
    body: bytes
    headers: Mapping[str, str]


def message_of(notice: Notice, source: str, largest: int) -> Message:
    """Return the message of an event, of at most `largest` bytes with its headers.

    Data that is too long is cut; `"truncated": true` in it then says so.
    """
    return Message(
        event_id=notice.event_id,
        stream=stream_of(family_of(notice.event_type)),
        subject=subject_of(notice.event_type, notice.region),
        body=_body(notice, source, largest - HEADERS_BYTES),
        headers=_headers(notice, source),
    )


def _headers(notice: Notice, source: str) -> dict[str, str]:
    about = "/".join(part for part in (notice.fraise, notice.environment) if part)
    attributes = {
        "specversion": "1.0",
        "id": notice.event_id,
        "source": f"/fraisier/{source}",
        "type": notice.event_type,
        "time": notice.timestamp,
        "subject": about,
        "datacontenttype": "application/json",
        "partitionkey": notice.stream_id,
    }
    told = {f"ce-{name}": quote(value, safe=_PLAIN) for name, value in attributes.items() if value}
    return {MESSAGE_ID: notice.event_id, **told}


def _body(notice: Notice, source: str, most: int) -> bytes:
    payload = notice.payload(source)
    body = _json(payload)
    if len(body) <= most:
        return body
    ours = {name: value for name, value in payload["data"].items() if name not in notice.data}
    for kept in (_shortened(notice.data), {}):
        data = {**kept, **ours, "truncated": True}
        body = _json({**payload, "data": data})
        if len(body) <= most:
            break
    return body


def _shortened(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with long texts cut and other long values left out."""
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, str):
            kept[name] = value[:TEXT_KEPT]
        elif len(_json(value)) <= VALUE_KEPT:
            kept[name] = value
    return kept


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
