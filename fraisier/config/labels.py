"""What a worker says of itself and where it hears wake-ups, as settings and options tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from fraisier.config.grammar import LABEL_PATTERN, LABEL_RULE
from fraisier.domain.errors import UsageError

LABELS = ("region", "network")
NATS_SCHEMES = ("nats", "tls")
EXAMPLE = "nats://nats.example.com:4222"


def label_problem(value: str) -> str | None:
    """Return what is wrong with the value of a label, if anything."""
    return None if re.fullmatch(LABEL_PATTERN, value) else LABEL_RULE


def labels_of(given: Sequence[str], defaults: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels written as `region=eu`, over their defaults; raise UsageError."""
    found = {kind: value for kind, value in defaults.items() if value}
    for text in given:
        kind, _, value = text.partition("=")
        problem = label_problem(value) if kind in LABELS else f"labels are {' and '.join(LABELS)}"
        if problem:
            raise UsageError(
                f'--label "{text}" is no label: {problem}', "write --label region=eu-west-1"
            )
        found[kind] = value
    return found


def nats_problem(url: str) -> str | None:
    """Return what is wrong with the URLs of NATS servers, if anything; never quotes them."""
    servers = nats_servers(url)
    return None if servers and all(map(_is_nats, servers)) else f"write it as {EXAMPLE}"


def nats_servers(url: str | None) -> tuple[str, ...]:
    """Return the servers that a setting names, separated by commas; none where it is unset."""
    return tuple(part.strip() for part in (url or "").split(",") if part.strip())


def without_secret(url: str) -> str:
    """Return a NATS URL without the user, password or token in it."""
    scheme, _, rest = url.partition("://")
    _, at, host = rest.rpartition("@")
    return f"{scheme}://{'***@' if at else ''}{host}"


def _is_nats(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = url.isprintable() and not re.search(r"\s", url)
    return bool(host) and plain and parts.scheme in NATS_SCHEMES and parts.path in ("", "/")
