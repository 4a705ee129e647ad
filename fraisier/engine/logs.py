"""Following what services write: how to ask for what comes behind what was told."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fraisier.domain.errors import UsageError

Json = dict[str, Any]

#: A time as hosts are asked for it: Unix seconds.
_TIME = re.compile(r"@[0-9]{1,12}(\.[0-9]{1,9})?")


def behind(found: Sequence[Json], asked: Mapping[str, Any]) -> Json:
    """Return what to ask next: what comes behind each host's cursor, or since it had nothing."""
    after, since = dict(asked.get("after", {})), dict(asked.get("since", {}))
    for host in found:
        if host.get("cursor"):
            after[host["host"]] = host["cursor"]
        elif host.get("now"):
            since[host["host"]] = f"@{host['now']:.6f}"
    return {"after": after, "since": since}


def written(asked: Mapping[str, Any]) -> str:
    """Return what to ask next as a text for others to send back."""
    text = json.dumps(asked, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read(text: str) -> Json:
    """Return what such a text asks for, or raise UsageError."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        after, since = found["after"], found["since"]
        good = _texts(after) and _texts(since) and all(map(_TIME.fullmatch, since.values()))
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        good = False
    if not good:
        raise UsageError("that is no place in a log", "send the `next` of an earlier answer")
    return {"after": after, "since": since}


def _texts(value: object) -> bool:
    """True for text by text, all of it printable."""
    return isinstance(value, dict) and all(
        isinstance(each, str) and each.isprintable() for pair in value.items() for each in pair
    )
