"""What FRAISIER_DATABASE_URL and FRAISIER_DATABASE_POOL may say."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

DATABASE_FILE = "fraisier.db"
SQLITE = "sqlite:///"
SERVERS = ("postgresql", "postgresql+psycopg2", "mysql", "mysql+pymysql", "mariadb",
           "mariadb+pymysql")  # fmt: skip
_FORM = f"write {SQLITE}PATH, postgresql://USER:PASSWORD@HOST/DATABASE or mysql://…"
_ENCODE = "percent-encode special characters of the password (@ as %40, / as %2F, # as %23)"
POOL_LIMIT = 1000


def database_problem(url: str) -> str | None:
    """Return what is wrong with a database's URL, without its text; None where it is one."""
    if url.startswith(SQLITE):
        return _file_problem(url.removeprefix(SQLITE))
    scheme = url.partition("://")[0]
    if scheme not in SERVERS:
        known = f"{scheme}: databases are" if scheme.replace("+", "").isalnum() else "this is"
        return f"{known} not supported; {_FORM}" if "://" in url else f"this is no URL; {_FORM}"
    return _server_problem(url)


def _file_problem(path: str) -> str | None:
    if not path or path.startswith(":memory:") or "mode=memory" in path:
        return f"records must outlive the process: name a file, {SQLITE}PATH"
    if "?" in path or not path.isprintable():
        return "name a plain file, without options"
    return None


def _server_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.port == 0 or parts.fragment or not url.isprintable():
            return f"this is no URL of a database; {_ENCODE}"
    except ValueError:
        return f"this is no URL of a database; {_ENCODE}"
    if not parts.path.strip("/") or "/" in parts.path.strip("/"):
        return "name the database: the part after the host, as in postgresql://USER@HOST/fraisier"
    if not parts.hostname and not parts.query:
        return "name the host, as in postgresql://USER@HOST/fraisier"
    return None


def pool_problem(value: str) -> str | None:
    """Return what is wrong with a number of connections; None where nothing is."""
    fine = value.isascii() and value.isdigit() and 2 <= int(value[:9]) <= POOL_LIMIT
    return None if fine else f"a whole number of connections from 2 to {POOL_LIMIT}"


def url_for(url: str | None, config_file: str | Path) -> str:
    """Return a database's URL; a file's path absolute: relative ones start beside the file."""
    if url is not None and not url.startswith(SQLITE):
        return url
    name = (url or f"{SQLITE}{DATABASE_FILE}").removeprefix(SQLITE)
    folder = Path(config_file).absolute().parent
    return f"{SQLITE}{os.path.normpath(folder / os.path.expanduser(name))}"
