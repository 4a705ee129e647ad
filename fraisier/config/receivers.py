"""The receivers that `webhooks` and `notifications` stand for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fraisier.config.report import Path, without_extensions
from fraisier.domain.catalogue import Json
from fraisier.domain.delivery import ALL_OF_DEPLOYMENTS, ENDS, WEBHOOK, Endpoint
from fraisier.domain.secret import SecretReference


def receivers_of(data: Json) -> tuple[Endpoint, ...]:
    """Return the receivers of a file's checked values, in its order."""
    webhooks = [_webhook(entry) for _, entry in entries(data, "webhooks")]
    return (*webhooks, *(_notification(entry) for _, entry in entries(data, "notifications")))


def _webhook(entry: Json) -> Endpoint:
    given = [entry["secret"], *entry.get("old_secrets", ())]
    secrets = tuple(found for each in given if (found := SecretReference.parse(plain(each))))
    return Endpoint(name_of(WEBHOOK, entry), WEBHOOK, secrets=secrets,
                    **_shared(entry, ALL_OF_DEPLOYMENTS))  # fmt: skip


def _notification(entry: Json) -> Endpoint:
    return Endpoint(
        name_of(entry["type"], entry),
        entry["type"],
        template=entry.get("template"),
        sender=entry.get("from", ""),
        recipients=tuple(entry.get("to", ())),
        **_shared(entry, ENDS),
    )


def _shared(entry: Json, default: tuple[str, ...]) -> dict[str, Any]:
    url = entry["url"]
    return {
        "url": url if isinstance(url, str) else SecretReference.parse(plain(url)),
        "events": tuple(entry.get("events", default)),
        "fraises": tuple(entry.get("fraises", ())),
        "environments": tuple(entry.get("environments", ())),
    }


def name_of(kind: str, entry: Mapping[str, Any]) -> str:
    """Return what an entry is called: its name, or one that stays while its place does."""
    if isinstance(entry.get("name"), str):
        return str(entry["name"])
    url = entry.get("url")
    place = json.dumps([kind, url, entry.get("to")], sort_keys=True, default=str)
    host = _host(url) if kind == WEBHOOK and isinstance(url, str) else kind
    return f"{host}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", host).strip("-.")[:50] or WEBHOOK


def plain(given: Any) -> Any:
    return without_extensions(given) if isinstance(given, Mapping) else given


def entries(data: Any, key: str) -> Iterator[tuple[Path, Json]]:
    """Yield (path, mapping) of each entry of a list, as far as they are mappings."""
    entries = data.get(key) if isinstance(data, Mapping) else None
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping):
            yield (key, at), without_extensions(entry)
