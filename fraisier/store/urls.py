"""Database URLs: what users write, the drivers that come with Fraisier, and what may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from fraisier.domain.errors import StoreError

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg2",
    "postgresql+psycopg2": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
#: What may stand for a password among a URL's options.
_SECRET_OPTIONS = re.compile(r"pass|pwd", re.IGNORECASE)


#: What follows an `@` that stands in a password as it is, and so was read as the password's end.
_REST = re.compile("@.*/", re.DOTALL)


def parse(url: str) -> URL:
    """Return a URL with the driver we ship, or raise StoreError; never with its text in it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _no_url() from None
    options = [part.partition("=")[0] for part in url.partition("?")[2].split("&")]
    misread = (
        "@" in (parsed.host or "")
        or _REST.search(parsed.database or "") is not None
        or any("@" in unquote(name) for name in options)
    )
    if parsed.username is not None and misread:
        raise _no_url()
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StoreError(
            f"{parsed.drivername}: databases are not supported",
            "use a sqlite, postgresql or mysql URL",
        )
    return parsed.set(drivername=driver)


def kind(url: URL) -> str:
    """Return `sqlite`, `postgresql` or `mysql` (which stands for MariaDB too)."""
    return url.get_backend_name()


def shown(url: str) -> str:
    """Return a URL as it may be shown: `***` where the password stands, in its options too."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "***"
    if parsed.username is not None and _may_be_misread(url):
        return f"{parsed.drivername}://***"
    hidden = {name: "***" for name in parsed.query if _SECRET_OPTIONS.search(name)}
    text = parsed.update_query_dict(hidden).render_as_string(hide_password=True)
    return text.replace("%2A%2A%2A", "***")


def _may_be_misread(url: str) -> bool:
    """True where more than one `@` may be a password's end: nobody can tell what is secret then."""
    return "@" in unquote(url.partition("@")[2])


def _no_url() -> StoreError:
    return StoreError(
        "this is not the URL of a database",
        "write sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or mysql://… "
        "and percent-encode special characters of the password (@ as %40, / as %2F)",
    )
