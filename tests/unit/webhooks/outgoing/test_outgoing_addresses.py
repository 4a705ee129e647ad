"""Which addresses outgoing requests may reach."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from fraisier.webhooks.outgoing.addresses import address_of, listed, public

PRIVATE = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1",
    "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1",
    "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "192.88.99.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2001:10::1",
    "3fff::1", "100::1", "5f00::1",
)  # fmt: skip
PUBLIC = (
    "1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111",
    "2a01:4f8::1", "::ffff:1.1.1.1", "64:ff9b::101:101",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_public_network_is_not_public(address: str) -> None:
    assert not public(address_of(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_network_is_public(address: str) -> None:
    assert public(address_of(address))


def test_a_listed_network_holds_its_addresses_however_they_are_written() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    for inside in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::7"):
        assert listed(address_of(inside), networks)
    for outside in ("10.2.0.1", "127.0.0.1", "fe80::1", "::1", "::ffff:10.2.0.1"):
        assert not listed(address_of(outside), networks)
