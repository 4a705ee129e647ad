"""Email through SMTP: under TLS, to a checked address, within its time."""

from __future__ import annotations

import base64
import json
import smtplib
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from fraisier.domain.delivery import Delivery, Endpoint
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.door import NETWORKS, Door, Unreached, told
from fraisier.webhooks.outgoing.posting import Answer, excerpt

PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Mailbox:
    """Where email is handed in. `secure`: TLS from the first byte; else STARTTLS."""

    secure: bool
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Mailbox:
        """Read `smtps://user:password@host:465`; raise Unreached, which does not hold it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise Unreached("its URL cannot be read") from None
        if parts.scheme not in PORTS or not host or not url.isprintable():
            raise Unreached("its URL must be smtps://HOST or smtp://HOST")
        login = (unquote(parts.username or ""), unquote(parts.password or ""))
        return cls(parts.scheme == "smtps", host, port or PORTS[parts.scheme], *login)


class _Smtp(smtplib.SMTP):
    """The standard library's client on a connection that is made already."""

    def __init__(self, box: Mailbox, connection: socket.socket, timeout: float) -> None:
        self._made = connection
        super().__init__(box.host, box.port, local_hostname="fraisier", timeout=timeout)

    def _get_socket(self, *_: Any) -> socket.socket:
        return self._made


def message_of(endpoint: Endpoint, delivery: Delivery, at: int) -> EmailMessage:
    """Return the email of a delivery; `at` is in microseconds."""
    body = json.loads(delivery.body)
    message = EmailMessage()
    message["From"] = endpoint.sender
    message["To"] = ", ".join(endpoint.recipients)
    message["Subject"] = body["subject"]
    message["Date"] = format_datetime(datetime.fromtimestamp(at / 1e6, UTC))
    domain = endpoint.sender.rpartition("@")[2].strip(" >")
    message["Message-ID"] = f"<{delivery.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body["text"])
    return message


def hand_in(
    url: str, endpoint: Endpoint, delivery: Delivery, at: int, door: Door, cutoff: Cutoff
) -> Answer:
    """Send one email and return what came of it; no fault of the server is raised."""
    hidden: list[str] = []
    try:
        box = Mailbox.of(url)
        hidden = [box.password, base64.b64encode(box.password.encode()).decode()]
        refused = _hand_in(box, message_of(endpoint, delivery, at), door, cutoff)
    except Unreached as error:
        return Answer(None, str(error))
    except smtplib.SMTPAuthenticationError as error:
        return Answer(error.smtp_code, f"it refused the login ({error.smtp_code})")
    except smtplib.SMTPResponseException as error:
        said = excerpt(_text(error.smtp_error), False, hidden)
        return Answer(error.smtp_code, f"it answered {error.smtp_code}: {said}")
    except smtplib.SMTPRecipientsRefused as error:
        return Answer(None, f"it takes email for none of: {', '.join(sorted(error.recipients))}")
    except smtplib.SMTPException as error:
        return Answer(None, cutoff.reason or f"SMTP broke off ({type(error).__name__})")
    except OSError as error:
        return Answer(None, cutoff.reason or told(error))
    if refused:
        return Answer(250, f"it takes no email for: {', '.join(sorted(refused))}")
    return Answer(250)


def _hand_in(box: Mailbox, message: EmailMessage, door: Door, cutoff: Cutoff) -> dict[str, Any]:
    """Hand a message in; return the recipients that were refused."""
    way = door.open(box.host, box.port, cutoff)
    with way.socket:
        made = door.secured(way.socket, box.host, cutoff) if box.secure else way.socket
        with made:
            client = _Smtp(box, made, cutoff.left(float("inf")))
            try:
                client.ehlo()
                if not box.secure:
                    _start_tls(client, door, way.inside and not box.password)
                if box.user:
                    client.login(box.user, box.password)
                return client.send_message(message)
            finally:
                client.close()  # a good-bye would only take time


def _start_tls(client: _Smtp, door: Door, may_be_plain: bool) -> None:
    """Go on under TLS; only a server in a listed network may do without, and without a login."""
    if client.has_extn("starttls"):
        client.starttls(context=door.tls)
        client.ehlo()
    elif not may_be_plain:
        raise Unreached(
            f"it offers no TLS; without is only for servers in {NETWORKS}, and without a password"
        )


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
