"""Real servers for the tests: PostgreSQL, MariaDB and NATS, each started when first asked for.

A database with the newest schema is a copy of one that was migrated once for each server: the
migrations themselves take ten times as long.
"""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest
from pymysql.constants import CLIENT
from sqlalchemy import make_url

from fraisier.store.migrate import migrate
from support.daemons import Daemon, program
from support.records import migrated

PASSWORD = "a-secret-of-the-tests"
_NUMBERS = count(1)
KINDS = ("sqlite", "postgresql", "mysql")


class DatabaseServer(Daemon):
    """A server of databases, with a connection of its administrator while it runs."""

    _administrator: Any = None
    _migrated = ""

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        raise NotImplementedError

    def copy_of(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to, and return its URL."""
        raise NotImplementedError

    def migrated_database(self) -> str:
        """Make a database with the newest schema and return its URL."""
        if not self._migrated:
            template = self.new_database()
            migrate(template)
            self._migrated = template
        return self.copy_of(self._migrated)

    def _end(self, number: signal.Signals) -> None:
        if self._administrator is not None:
            self._administrator.close()
            self._administrator = None
        super()._end(number)


class PostgresServer(DatabaseServer):
    """A PostgreSQL server; it does not wait for the disk, as no test cuts the power."""

    def __init__(self, place: Path | None = None) -> None:
        super().__init__(self._command, self._open, "postgres", signal.SIGINT, place)
        self._numbers = count(1)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        options = ("--auth=scram-sha-256", "--username=postgres", f"--pwfile={secret}")
        locale = ("--locale=C.UTF-8", "--encoding=UTF8")
        self.run([program("initdb"), "--no-sync", *options, *locale, str(self.folder / "data")])
        self.start()
        self.execute(f"CREATE ROLE fraisier LOGIN PASSWORD '{PASSWORD}'")

    @staticmethod
    def _command(folder: Path, port: int) -> list[str]:
        settings = ("fsync=off", "listen_addresses=127.0.0.1", "max_connections=200")
        more = (f"unix_socket_directories={folder}", "shared_buffers=32MB")
        more = (*more, "dynamic_shared_memory_type=mmap")
        words = [word for setting in (*settings, *more) for word in ("-c", setting)]
        return [program("postgres"), "-D", str(folder / "data"), "-p", str(port), *words]

    def _open(self, port: int) -> bool:
        try:
            self._connect(port).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _connect(self, port: int, database: str = "postgres") -> Any:
        who = {"user": "postgres", "password": PASSWORD, "connect_timeout": 5}
        return psycopg2.connect(host="127.0.0.1", port=port, dbname=database, **who)

    def execute(self, statement: str, database: str = "") -> list[Any]:
        """Run a statement as the administrator; return its rows, if it has any."""
        if database:
            with closing(self._connect(self.port, database)) as connection:
                return _rows(connection, statement)
        if self._administrator is None:
            self._administrator = self._connect(self.port)
        return _rows(self._administrator, statement)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        return self._made("template1")

    def copy_of(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to, and return its URL."""
        return self._made(_name(url))

    def _made(self, template: str) -> str:
        name = f"fraisier_{next(self._numbers)}"
        how = f"OWNER fraisier TEMPLATE {template} STRATEGY file_copy"
        self.execute(f"CREATE DATABASE {name} {how}")
        return f"postgresql://fraisier:{PASSWORD}@127.0.0.1:{self.port}/{name}"


class MariadbServer(DatabaseServer):
    """A MariaDB server; it does not wait for the disk, as no test cuts the power."""

    def __init__(self, place: Path | None = None) -> None:
        super().__init__(self._command, self._open, "mysql", place=place)
        self._numbers = count(1)
        self._copied: dict[str, list[str]] = {}
        options = ("--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db")
        here = (f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder}")
        self.run([program("mariadb-install-db"), *options, *here])
        self.start()
        for statement in (
            f"CREATE USER fraisier@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "GRANT ALL ON `fraisier\\_%`.* TO fraisier@'127.0.0.1'",
        ):
            self.execute(statement)

    @staticmethod
    def _command(folder: Path, port: int) -> list[str]:
        here = (f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}", f"--port={port}")
        light = ("--debug-no-sync=1", "--innodb-buffer-pool-size=64M", "--max-connections=200")
        plain = ("--bind-address=127.0.0.1", "--skip-name-resolve", "--pid-file=pid")
        here = (*here, f"--tmpdir={folder}")
        return [program("mariadbd"), "--no-defaults", *here, *light, *plain]

    def _open(self, port: int) -> bool:
        return accepts(port) and self._greets()

    def _greets(self) -> bool:
        try:
            self._connect().close()
        except pymysql.Error:
            return False
        return True

    def _connect(self) -> Any:
        where = {"unix_socket": str(self.folder / "socket"), "user": "root"}
        return pymysql.connect(**where, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS)

    def execute(self, *statements: str) -> list[Any]:
        """Run statements as the administrator, in one request; return the rows of the last."""
        if self._administrator is None:
            self._administrator = self._connect()
        with closing(self._administrator.cursor()) as cursor:
            cursor.execute(";".join(statements))
            while cursor.nextset():
                pass
            return list(cursor.fetchall())

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"fraisier_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return f"mysql://fraisier:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def copy_of(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to, and return its URL.

        It makes the tables in one request: a tenth of what a request for each table takes.
        """
        made = self.new_database()
        contents = self._contents(_name(url))
        self.execute(f"USE {_name(made)}", "SET foreign_key_checks = 0", *contents)
        return made

    def _contents(self, name: str) -> list[str]:
        """Return the statements that make the tables of a database, with their rows."""
        if name not in self._copied:
            tables = [row[0] for row in self.execute(f"SHOW TABLES FROM {name}")]
            made = [self.execute(f"SHOW CREATE TABLE {name}.{each}")[0][1] for each in tables]
            rows = [f"INSERT INTO {each} SELECT * FROM {name}.{each}" for each in tables]
            self._copied[name] = [*made, *rows]
        return self._copied[name]


class NatsServer(Daemon):
    """A NATS server with JetStream, its store in a folder of its own."""

    def __init__(self, *options: str) -> None:
        self._options = options
        super().__init__(self._command, accepts)
        self.start()

    def _command(self, folder: Path, port: int) -> list[str]:
        where = ("--addr", "127.0.0.1", "--port", str(port))
        stored = ("--jetstream", "--store_dir", str(folder / "store"))
        return [program("nats-server"), *where, *stored, *self._options]

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    def wipe(self) -> None:
        """Kill it, remove all that it kept, and start it again."""
        self.kill()
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        self.start()


def _rows(connection: Any, statement: str) -> list[Any]:
    connection.autocommit = True
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def accepts(port: int) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server for this run; a test that stops it starts it again."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """Return a MariaDB server for this run; a test that stops it starts it again."""
    server = MariadbServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """Return a NATS server for this run; a test that stops it starts it again."""
    server = NatsServer()
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of database there is."""
    return str(request.param)


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, once for each kind."""
    return empty_database(database_kind, request, tmp_path)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database with the newest schema, once for each kind."""
    return migrated_database(database_kind, request, tmp_path)


def empty_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of one more empty database of a kind."""
    if kind == "sqlite":
        return f"sqlite:///{_new_file(folder)}"
    return _server(kind, request).new_database()


def migrated_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of one more database of a kind, with the newest schema."""
    if kind == "sqlite":
        path = _new_file(folder)
        path.write_bytes(migrated())
        return f"sqlite:///{path}"
    return _server(kind, request).migrated_database()


def copy_of(url: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a copy of a database that nobody is connected to."""
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        return f"sqlite:///{shutil.copy(str(make_url(url).database), _new_file(folder))}"
    return _server(kind, request).copy_of(url)


def _server(kind: str, request: pytest.FixtureRequest) -> DatabaseServer:
    name = {"postgresql": "postgres_server", "mysql": "mariadb_server"}[kind]
    found: DatabaseServer = request.getfixturevalue(name)
    return found


def _new_file(folder: Path) -> Path:
    return folder / f"{next(_NUMBERS)}.db"


def _name(url: str) -> str:
    return str(make_url(url).database)
