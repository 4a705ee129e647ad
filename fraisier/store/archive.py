"""A backup as a file: lines of JSON, gzipped, that say themselves whether they are whole.

The first line tells what it is, then each table has a line of its columns and one for each row;
the last line has the number of rows and the digest of every table.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fraisier.domain.errors import StoreError
from fraisier.store.copying import Digest, Row

FORMAT = 1
_DAMAGE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError)


@dataclass(frozen=True)
class Table:
    """One table of a backup; its rows are read as they are asked for."""

    name: str
    columns: list[str]
    rows: Iterator[Row]


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write lines to; it takes the name `path` once all of it is on the disk.

    Only its owner may read it. Raise StoreError where it cannot be written; nothing then stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file, gzip.GzipFile("", "wb", 6, file, 0) as packed:
                yield packed  # type: ignore[misc]
                packed.close()
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _sync_folder(path.parent)
        except OSError as error:
            raise StoreError(
                f"{path}: {error.strerror}", "choose another place for the backup"
            ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def put(file: BinaryIO, value: Any) -> None:
    """Write one line."""
    file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def verify(path: Path) -> dict[str, Any]:
    """Read all of a backup; return its first line with its `digests`, or raise StoreError."""
    with _damage_told(path):
        with gzip.open(path, "rb") as file:
            head = _head(json.loads(file.readline()))
        digests: dict[str, Any] = {}
        found = {table.name: _digest(table) for table in tables(path, digests)}
        if not digests or found != digests:
            raise ValueError("its rows are not those it was made of")
    return {**head, "digests": digests}


def tables(path: Path, digests: dict[str, Any] | None = None) -> Iterator[Table]:
    """Yield a backup's tables in their order; the rows of each must be read before the next.

    `digests` is filled in at the end.
    """
    with gzip.open(path, "rb") as file:
        file.readline()
        line = json.loads(file.readline())
        while "table" in line:
            rest: list[Any] = []
            yield Table(line["table"], line["columns"], _rows(file, rest))
            line = rest[0]
        if digests is not None:
            digests.update(line["digests"])
        if file.read(1):
            raise ValueError("something stands after its end")


def _digest(table: Table) -> dict[str, Any]:
    digest = Digest()
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError("a row is not of its table")
        digest.add(row)
    return digest.as_json()


def _rows(file: Any, rest: list[Any]) -> Iterator[Row]:
    for line in file:
        value = json.loads(line)
        if isinstance(value, dict):
            rest.append(value)
            return
        yield value
    raise EOFError("it ends too early")


def _head(line: Any) -> dict[str, Any]:
    if line["fraisier_backup"] != FORMAT:
        raise ValueError(f"it has the format {line['fraisier_backup']}")
    return {**line, "schema": str(line["schema"])}


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file", "name a backup") from None
    except _DAMAGE as error:
        raise StoreError(
            f"{path} is no whole backup of Fraisier: {error}", "restore another one"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
