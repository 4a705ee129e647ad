"""Ports and addresses: what a host may publish, and where."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fraisier.domain.errors import LabError
from fraisier.lab import addresses
from fraisier.lab.addresses import NOBODY, checked, choose_ports


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened


def all_but(*taken: int) -> addresses.PortCheck:
    return lambda address, port: address == NOBODY and port not in taken


def test_a_port_with_a_listener_is_not_free(listener: socket.socket) -> None:
    address, port = listener.getsockname()
    assert not addresses.port_is_free(address, port)
    assert not addresses.free(address, [port])


def test_a_port_is_free_again_once_its_listener_is_gone(listener: socket.socket) -> None:
    address, port = listener.getsockname()
    listener.close()
    assert addresses.port_is_free(address, port)


def test_a_listener_on_all_addresses_is_in_the_way_everywhere() -> None:
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        everywhere.listen()
        assert not addresses.port_is_free(NOBODY, everywhere.getsockname()[1])


def test_usually_ssh_has_its_own_port_and_the_web_ports_are_published() -> None:
    assert choose_ports((9000,), all_but()) == (22, (80, 443, 8000, 9000))


def test_ssh_moves_when_this_machine_has_an_sshd_of_its_own() -> None:
    assert choose_ports((), all_but(22)) == (2222, (80, 443, 8000))


def test_web_ports_that_this_machine_serves_are_left_out() -> None:
    assert choose_ports((), all_but(80)) == (22, (443, 8000))


@pytest.mark.parametrize(("extra", "taken"), [((), 8000), ((9000,), 9000), ((80,), 80)])
def test_a_port_that_is_needed_and_taken_is_an_error(extra: tuple[int, ...], taken: int) -> None:
    with pytest.raises(LabError, match=f"port {taken} is taken on all addresses") as refused:
        choose_ports(extra, all_but(taken))
    assert "ss -ltnp" in refused.value.hint


def test_no_port_for_ssh_is_an_error() -> None:
    with pytest.raises(LabError, match="22 and 2222"):
        choose_ports((), all_but(22, 2222))


@pytest.mark.parametrize("address", ["8.8.8.8", "0.0.0.0", "localhost", "127.0.10.1:22", ""])
def test_only_loopback_addresses_are_accepted(address: str) -> None:
    with pytest.raises(LabError, match="cannot be the address"):
        checked([address])


def test_an_address_is_given_once() -> None:
    assert checked(["127.0.10.1"]) == ("127.0.10.1",)
    with pytest.raises(LabError, match="cannot be the address"):
        checked(["127.0.10.1", "127.0.10.1"])
