"""One POST: to a checked address, without redirects, within its time; the answer is bounded."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from ansible_collections.fraisier.deploy.plugins.module_utils.redaction import without_last_part
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.door import NETWORKS, Door, Unreached, told

#: How much of an answer is read, and how much of that is kept for the log.
READ_BYTES = 2048
EXCERPT = 200
#: Shorter parts of a URL are words, and stay in what is shown of an answer.
SHORTEST_SECRET = 8
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """What came of an attempt; `problem` is empty where it was taken.

    `status` is None where no answer came; `retry_after` is the header as it was sent.
    """

    status: int | None = None
    problem: str = ""
    retry_after: str | None = None


@dataclass(frozen=True)
class Place:
    """The parts of a URL that is sent to."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Place:
        """Take a URL apart; raise Unreached, which does not hold it, where it cannot be used."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise Unreached("its URL cannot be read") from None
        plain = url.isascii() and url.isprintable() and " " not in url
        if not host or not plain or parts.scheme not in PORTS or parts.username is not None:
            raise Unreached("its URL must be a whole https URL, without a user name in it")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", host, port or PORTS[parts.scheme], path)

    @property
    def host_header(self) -> str:
        """Return the host as HTTP names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = PORTS["https" if self.secure else "http"]
        return host if self.port == usual else f"{host}:{self.port}"


def post(url: str, body: bytes, headers: Mapping[str, str], door: Door, cutoff: Cutoff) -> Answer:
    """Send a body and return what came of it; no fault of the receiver is raised."""
    try:
        return _post(Place.of(url), body, headers, door, cutoff)
    except Unreached as error:
        return Answer(None, str(error))
    except http.client.HTTPException:
        return Answer(None, cutoff.reason or "its answer is not HTTP")
    except OSError as error:
        return Answer(None, cutoff.reason or told(error))


def _post(
    place: Place, body: bytes, headers: Mapping[str, str], door: Door, cutoff: Cutoff
) -> Answer:
    way = door.open(place.host, place.port, cutoff)
    with way.socket:
        if not place.secure and not way.inside:
            raise Unreached(f"http is only for receivers in {NETWORKS}; use https")
        secure = door.secured(way.socket, place.host, cutoff) if place.secure else way.socket
        with secure:
            connection = http.client.HTTPConnection(place.host, place.port)
            connection.sock = secure
            named = {"Host": place.host_header, "Connection": "close", **headers}
            connection.request("POST", place.path, body, named)
            return _answer(connection.getresponse(), place, cutoff)


def _answer(response: http.client.HTTPResponse, place: Place, cutoff: Cutoff) -> Answer:
    status = response.status
    if cutoff.reason:  # its headers broke off, which looks like their end
        return Answer(None, cutoff.reason)
    if 200 <= status < 300:
        return Answer(status)
    problem = f"it answered {status}{_phrase(status)}"
    if 300 <= status < 400:
        return Answer(status, f"{problem}; redirects are not followed")
    said = excerpt(*_begin(response), [place.path])
    retry_after = response.getheader("Retry-After")
    return Answer(status, f"{problem}: {said}" if said else problem, retry_after)


def _begin(response: http.client.HTTPResponse) -> tuple[str, bool]:
    """Return the beginning of an answer's body, and whether there is more; it may break off."""
    try:
        found = response.read(READ_BYTES + 1)
    except (OSError, http.client.HTTPException):
        return "", False
    return found[:READ_BYTES].decode(errors="replace"), len(found) > READ_BYTES


def excerpt(text: str, cut: bool, hidden: Sequence[str] = ()) -> str:
    """Return the beginning of what a receiver said, in quotes: printable, in one line.

    `hidden` are paths of URLs, and other texts, that may be secrets in whole or in part; a text
    that is `cut` may end in the middle of one.
    """
    parts = [part for secret in hidden for part in (secret, *re.split(r"[/?&=]", secret))]
    secrets = [part for part in parts if len(part) >= SHORTEST_SECRET]
    for secret in secrets:
        text = text.replace(secret, "***")
    if cut:
        text = without_last_part(text, secrets)
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = plain if len(plain) <= EXCERPT else f"{plain[:EXCERPT]}…"
    return f'"{short}"' if short else ""


def _phrase(status: int) -> str:
    """Return the usual words for a status; the receiver's own may say anything."""
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
