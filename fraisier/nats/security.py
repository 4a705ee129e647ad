"""Who we are on NATS, and how its server is known: read anew for each session."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.errors import Error

_BEGINNINGS = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")


@dataclass(frozen=True)
class Security:
    """Files of PEM and of NATS credentials; None: not used.

    `ca` is who vouches for the server (None: those whom the system trusts), `cert` and `key` are
    our own certificate, `credentials` is a `.creds` file. A user with a password, or a token,
    stands in the URL instead.
    """

    credentials: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def options(self) -> dict[str, Any]:
        """Return what the client takes; raise Error where a file cannot be used."""
        found: dict[str, Any] = {}
        if self.credentials:
            found["user_credentials"] = _credentials(self.credentials)
        if self.ca or self.cert:
            found["tls"] = self._context()
        return found

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert:
                context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            names = ", ".join(name for name in (self.ca, self.cert, self.key) if name)
            why = getattr(error, "strerror", None) or str(error)
            raise Error(f"the certificates cannot be used ({names}): {why}") from error
        return context


def _credentials(path: str) -> str:
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Error(f"the credentials cannot be read ({path}): {why}") from error
    if not all(beginning in text for beginning in _BEGINNINGS):
        raise Error(f"{path} holds no NATS credentials: a JWT and a seed, as `nsc` writes them")
    return path


def _no_password() -> str:
    """Never ask on the terminal."""
    raise ValueError("the key has a password; give it without one, readable by Fraisier only")
