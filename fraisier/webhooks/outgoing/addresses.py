"""Which addresses may be reached: public ones, and the networks that the operator lists."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Of IPv6 only this is handed out for the public network.
_UNICAST = ipaddress.ip_network("2000::/3")
#: What carries an IPv4 address in its last 32 bits, which is the one that counts.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::ffff:0:0/96"))
#: Not public either, whatever the version of Python says of them.
_NEVER = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
    )
)  # fmt: skip


def address_of(text: str) -> Address:
    """Return an address as it counts: IPv4 where IPv6 only wraps it. Raises ValueError."""
    address = ipaddress.ip_address(text)
    if any(_in(address, network) for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def listed(address: Address, networks: Sequence[Network]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(_in(address, network) for network in networks)


def public(address: Address) -> bool:
    """Return whether an address is one of the public network."""
    if isinstance(address, ipaddress.IPv6Address) and not _in(address, _UNICAST):
        return False
    return address.is_global and not listed(address, _NEVER)


def _in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
