"""The way out: a name is looked up once, its addresses checked, and one of those connected to."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fraisier.webhooks.outgoing.addresses import Address, Network, address_of, listed, public
from fraisier.webhooks.outgoing.cutoff import Cutoff

Resolver = Callable[[str, int], Sequence[str]]

CONNECT_SECONDS = 5.0
LOOKUP_SECONDS = 5.0
#: By how much a connection's own limit lies behind the cutoff, whose words are in the log.
AFTER_SECONDS = 1.0
#: How many of a name's addresses are tried.
ADDRESSES = 4
#: Below the first port that anybody may listen on, what webhooks are served on.
WELL_KNOWN = {80, 443, 465, 587}
FIRST_OPEN_PORT = 1024
NETWORKS = "FRAISIER_ALLOWED_NETWORKS"


class Unreached(Exception):
    """Why nothing could be sent, in words for the delivery log."""


@dataclass(frozen=True)
class Way:
    """A connection to a receiver. `inside`: its address is in a network that is listed."""

    socket: socket.socket
    inside: bool


def look_up(name: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system finds them; raise OSError."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True)
class Door:
    """Opens connections to public addresses, and to those in the networks that are listed.

    No proxy is asked, whatever the environment says: it would do the looking up.
    """

    networks: Sequence[Network] = ()
    resolve: Resolver = look_up
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def open(self, name: str, port: int, cutoff: Cutoff) -> Way:
        """Return a connection to one of a name's addresses that may be reached; raise Unreached."""
        usable = self._checked(name, port, self._addresses(name, port, cutoff))
        trouble = ""
        for address, inside in usable[:ADDRESSES]:
            try:
                return Way(_connected(address, port, cutoff), inside)
            except OSError as error:
                trouble = cutoff.reason or told(error)
        raise Unreached(trouble)

    def secured(self, connection: socket.socket, name: str, cutoff: Cutoff) -> ssl.SSLSocket:
        """Return a connection under TLS, its certificate checked for the name; raise Unreached."""
        try:
            secure = self.tls.wrap_socket(
                connection, server_hostname=name, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            connection.close()
            raise Unreached(cutoff.reason or told(error)) from None
        try:
            secure.do_handshake()
        except (OSError, ValueError) as error:
            secure.close()
            raise Unreached(cutoff.reason or told(error)) from None
        return secure

    def _addresses(self, name: str, port: int, cutoff: Cutoff) -> Sequence[str]:
        """Look a name up, within a bounded time: the system has no limit of its own."""
        answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                answer.put(self.resolve(name, port))
            except (OSError, UnicodeError) as error:
                answer.put(error)

        threading.Thread(target=work, name="look up", daemon=True).start()
        try:
            found = answer.get(timeout=cutoff.left(LOOKUP_SECONDS))
        except queue.Empty:
            raise Unreached(f"the DNS gave no answer for {name}") from None
        if isinstance(found, Exception):
            raise Unreached(f"the DNS knows no {name}") from None
        return found

    def _checked(self, name: str, port: int, found: Sequence[str]) -> list[tuple[str, bool]]:
        """Return the addresses that may be reached, and whether each is in a listed network."""
        usable, refused = [], ""
        for text in found:
            address = address_of(text)
            if listed(address, self.networks):
                usable.append((text, True))
            elif not public(address):
                refused = _not_public(name, address)
            elif port < FIRST_OPEN_PORT and port not in WELL_KNOWN:
                refused = f"port {port} is not one that webhooks are served on"
            else:
                usable.append((text, False))
        if not usable:
            raise Unreached(refused or f"the DNS knows no address of {name}")
        return usable


def _not_public(name: str, address: Address) -> str:
    where = name if name == str(address) else f"{name} ({address})"
    return f"{where} is not public; if it is meant, list its network in {NETWORKS}"


def _connected(address: str, port: int, cutoff: Cutoff) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        cutoff.watch(connection)
        connection.settimeout(cutoff.left(CONNECT_SECONDS))
        connection.connect((address, port))
        connection.settimeout(cutoff.left(float("inf")) + AFTER_SECONDS)
    except OSError:
        connection.close()
        raise
    return connection


def told(error: Exception) -> str:
    """Return what went wrong with a connection, in words that hold nothing of its content."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'it broke off').replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return "it gave no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the connection broke off"
