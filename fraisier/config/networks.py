"""Lists of networks, as settings write them: `10.0.0.0/8, 192.168.1.7, fd00::/8`."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(text: str | None) -> tuple[Network, ...]:
    """Return the networks of a list, none where it is unset; raise ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in (text or "").split(",") if part)


def networks_problem(text: str) -> str | None:
    """Return what is wrong with a list of networks, if anything."""
    for part in text.split(","):
        try:
            ipaddress.ip_network(part.strip())
        except ValueError:
            return f'"{part.strip()}" is no network; write such as 10.0.0.0/8 or 192.168.1.7'
    return None
