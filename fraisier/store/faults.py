"""What a database driver says went wrong, in our words: for good, or for a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import TimeoutError

from fraisier.domain.errors import StoreError, StoreUnavailable

#: PostgreSQL's SQLSTATE by its first letters; the longest that fits counts.
_STATES = {
    "08": "the connection was lost",
    "57P": "the server is stopping or starting",
    "57014": "the statement took too long",
    "40001": "others changed the same records",
    "40P01": "others waited for the same records",
    "55P03": "others held the records for too long",
    "53300": "the server has no connection left",
    "53400": "the server has no connection left",
    "25006": "the server does not take changes now",
}
#: MySQL's and MariaDB's numbers.
_NUMBERS = {
    **dict.fromkeys((0, 2002, 2003, 2005, 2006, 2013, 2055, 1053, 1927), "there is no connection"),
    **dict.fromkeys((1040, 1203, 1226), "the server has no connection left"),
    **dict.fromkeys((1205, 1020), "others held the records for too long"),
    **dict.fromkeys((1213,), "others waited for the same records"),
    **dict.fromkeys((1317, 1969, 3024), "the statement took too long"),
    **dict.fromkeys((1290, 1836), "the server does not take changes now"),
}
#: Words of messages that no later attempt makes go away, and what does.
_HINTS = {
    "readonly": "make the file and its folder writable for this user",
    "unable to open": "check that its folder exists and is writable for this user",
    "not a database": "the file is not SQLite: name another with FRAISIER_DATABASE_URL",
    "malformed": "the file is damaged: restore a backup",
    "password": "correct the user and the password in FRAISIER_DATABASE_URL",
    "access denied": "correct user, password and database in FRAISIER_DATABASE_URL, "
    "or let an administrator grant this user the database",
    "pg_hba.conf": "let an administrator allow this user and address in pg_hba.conf",
    "unknown database": "create it, or correct its name in FRAISIER_DATABASE_URL",
    "does not exist": "create it, or correct its name in FRAISIER_DATABASE_URL",
    "permission denied": "let an administrator make this user the owner of the database",
    "command denied": "let an administrator grant this user all rights on the database",
    "ssl": "correct the options for TLS in FRAISIER_DATABASE_URL",
    "disk": "free some space on its disk",
    "full": "free some space on its disk",
    "no space": "free some space on its disk",
}
#: Words of connections that failed before the server could give a number for it.
_LOST = (
    "could not connect",
    "connection refused",
    "connection to server",
    "server closed",
    "connection already closed",
    "no answer within",
    "timeout expired",
    "starting up",
    "not yet accepting connections",
    "in recovery mode",
    "shutting down",
    "too many clients",
    "connection slots",
    "database is locked",
    "database is busy",
    "could not receive",
    "could not send",
    "connection reset",
    "ssl connection has been closed",
    "terminating connection",
    "could not translate host name",
)
_LATER = "it may work a moment later; see: fraisier db status"


def store_error(error: Exception, where: str = "the database") -> StoreError:
    """Turn a driver's error into StoreUnavailable or another StoreError, with what to do next."""
    if isinstance(error, TimeoutError):
        said = "every connection of this process is in use"
        return StoreUnavailable(f"{where}: {said}", "raise FRAISIER_DATABASE_POOL if that lasts")
    driver = getattr(error, "orig", None) or error
    said = " ".join(_words(driver).split())
    passing = _passing(driver, said.lower())
    if passing is not None:
        return StoreUnavailable(f"{where}: {passing}: {said}" if passing else f"{where}: {said}",
                                _LATER)  # fmt: skip
    hint = next((text for word, text in _HINTS.items() if word in said.lower()), "")
    if getattr(error, "connection_invalidated", False):
        return StoreUnavailable(f"{where}: the connection was lost: {said}", _LATER)
    return StoreError(f"{where}: {said}", hint)


def _words(driver: Any) -> str:
    """Return a driver's message without the values that it met; MySQL's comes with its number."""
    primary = getattr(getattr(driver, "diag", None), "message_primary", None)
    if primary:
        return str(primary)
    arguments: Sequence[Any] = getattr(driver, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return f"{arguments[1]} ({arguments[0]})"
    return str(driver)


def _passing(driver: Any, said: str) -> str | None:
    """Return why a later attempt may succeed, empty where `said` says it; None where it cannot."""
    state = getattr(driver, "pgcode", None)
    if state:
        fits = [text for start, text in _STATES.items() if state.startswith(start)]
        return fits[-1] if fits else None
    number = next(iter(getattr(driver, "args", ())), None)
    if isinstance(number, int):
        return _NUMBERS.get(number)
    if any(word in said for word in ("password authentication", "pg_hba.conf", "does not exist")):
        return None
    return "" if any(word in said for word in _LOST) else None
