"""The URLs of NATS servers, as a setting names them: several are separated by commas."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SCHEMES = ("nats", "tls")
EXAMPLE = "nats://nats.example.com:4222"


def nats_problem(url: str) -> str | None:
    """Return what is wrong with the URLs of NATS servers, if anything; never quotes them."""
    servers = nats_servers(url)
    return None if servers and all(map(_is_nats, servers)) else f"write it as {EXAMPLE}"


def nats_servers(url: str | None) -> tuple[str, ...]:
    """Return the servers that a setting names, separated by commas; none where it is unset."""
    return tuple(part.strip() for part in (url or "").split(",") if part.strip())


def _is_nats(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = url.isprintable() and not re.search(r"\s", url)
    return bool(host) and plain and parts.scheme in SCHEMES and parts.path in ("", "/")
