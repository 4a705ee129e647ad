"""What a database driver says went wrong, in our words: for good, or for a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import TimeoutError

from fraisier.domain.errors import StoreError, StoreUnavailable

_LOST, _BUSY = "the connection was lost", "the server has no connection left"
_SLOW, _LOCKED = "the statement took too long", "others held the records for too long"
_CHANGED, _DEADLOCK = "others changed the same records", "others waited for the same records"
_READ_ONLY, _STOPPING = "the server does not take changes now", "the server is stopping or starting"
_FULL, _SHORT = "there is no space left", "the server is short of memory"
_STORAGE = "its storage failed"

#: PostgreSQL's SQLSTATE by its first letters; the longest that fits counts.
_STATES = {
    "08": _LOST,
    "25P03": _LOST,
    "25P04": _LOST,
    "57P": _STOPPING,
    "57014": _SLOW,
    "40": _CHANGED,
    "40P01": _DEADLOCK,
    "55P03": _LOCKED,
    "53": _SHORT,
    "53100": _FULL,
    "53300": _BUSY,
    "53400": _BUSY,
    "25006": _READ_ONLY,
    "58": _STORAGE,
}
#: MySQL's and MariaDB's numbers, with those of Galera and of group replication.
_NUMBERS = {
    **dict.fromkeys((0, 2002, 2003, 2005, 2006, 2012, 2013, 2055, 1927, 3169, 4031), _LOST),
    **dict.fromkeys((1042, 1043, 1152, 1158, 1159, 1160, 1161, 1184), _LOST),
    **dict.fromkeys((1053, 1077, 1079, 1080, 1047, 3032, 3168), _STOPPING),
    **dict.fromkeys((1040, 1135, 1203, 1226), _BUSY),
    **dict.fromkeys((1205, 1206, 1020, 1637), _LOCKED),
    **dict.fromkeys((1213, 1614, 3058), _DEADLOCK),
    **dict.fromkeys((1180, 3100, 3101), _CHANGED),
    **dict.fromkeys((1317, 1969, 3024), _SLOW),
    **dict.fromkeys((1036, 1223, 1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1037, 1038, 1041), _SHORT),
    **dict.fromkeys((1021, 1114), _FULL),
    **dict.fromkeys((1024, 1026, 1030), _STORAGE),
}
#: SQLite's result codes by their first letters. It cannot open a file either where no space or no
#: file descriptor is left.
_RESULTS = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_INTERRUPT": _SLOW,
    "SQLITE_FULL": _FULL,
    "SQLITE_NOMEM": "this process is short of memory",
    "SQLITE_IOERR": _STORAGE,
    "SQLITE_CANTOPEN": "",
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
    "is blocked": "let an administrator run: mysqladmin flush-hosts",
}
#: Words of a server that refuses a connection for good. PostgreSQL's driver tells no SQLSTATE of a
#: connection that it does not get, and any other words may be of a server that starts, recovers,
#: stops or changes its place, or of a proxy before it.
_REFUSED = (
    "password",
    "authentication failed",
    "authentication method",
    "pg_hba.conf",
    "does not exist",
    "permission denied",
    "not permitted",
    "must be owner",
    "certificate",
    "does not support ssl",
    "unknown ca",
    "sslmode",
    "private key",
    "unrecognized configuration parameter",
    "unsupported frontend protocol",
    *(f"invalid {what}" for what in ("connection", "integer", "port", "uri", "value")),
)
#: How libpq begins what it says of each try to connect.
_TRIED = "connection to server "
#: What drivers raise, without a code, where a connection fails.
_UNTOLD = ("OperationalError", "InterfaceError", "InternalError", "DatabaseError")
_LATER = "it may work a moment later; see: fraisier db status"


def store_error(error: Exception, where: str = "the database") -> StoreError:
    """Turn a driver's error into StoreUnavailable or another StoreError, with what to do next."""
    if isinstance(error, TimeoutError):
        said = "every connection of this process is in use"
        return StoreUnavailable(f"{where}: {said}", "raise FRAISIER_DATABASE_POOL if that lasts")
    driver = getattr(error, "orig", None) or error
    said = " ".join(_words(driver).split())
    passing = _passing(driver, said.lower())
    if passing is None and getattr(error, "connection_invalidated", False):
        passing = _LOST
    hint = next((text for word, text in _HINTS.items() if word in said.lower()), "")
    if passing is None:
        return StoreError(f"{where}: {said}", hint)
    return StoreUnavailable(": ".join(filter(None, (where, passing, said))), _of(passing, hint))


def is_read_only(driver: Any) -> bool:
    """Return whether a server has refused a change since it is not, or no longer, the primary."""
    return _passing(driver, str(driver).lower()) == _READ_ONLY


def _of(passing: str, hint: str) -> str:
    """Return what to do about trouble that may pass: a hint only where somebody can mend it."""
    return hint if hint and passing in ("", _FULL, _STORAGE) else _LATER


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
        return _longest(_STATES, state)
    result = getattr(driver, "sqlite_errorname", None)
    if result:
        return _longest(_RESULTS, result)
    number = next(iter(getattr(driver, "args", ())), None)
    if isinstance(number, int):
        return _NUMBERS.get(number)
    untold = type(driver).__name__ in _UNTOLD
    return "" if untold and not all(map(_is_refused, _tries(said))) else None


def _tries(said: str) -> list[str]:
    """Return what was said at each try to connect: libpq tries several addresses, and without TLS.

    One of them that may succeed later is enough, as while the primary of a cluster changes.
    """
    return said.split(_TRIED)[1:] if _TRIED in said else [said]


def _is_refused(said: str) -> bool:
    return any(word in said for word in _REFUSED)


def _longest(among: Mapping[str, str], code: str) -> str | None:
    """Return what the longest beginning of a code stands for."""
    fits = [start for start in among if code.startswith(start)]
    return among[max(fits, key=len)] if fits else None
