"""Text as every database takes it: PostgreSQL knows no NUL, and UTF-8 no half of a character."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import String, TypeDecorator
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects.mysql import MEDIUMTEXT

_UNFIT = re.compile("[\x00\ud800-\udfff]")
#: How JSON writes such characters; also what looks like it and is harmless.
_UNFIT_IN_JSON = re.compile(r"\\u(0000|d[89a-f])")


def plain(text: str) -> str:
    """Return a text with U+FFFD for what no database takes."""
    return _UNFIT.sub("\ufffd", text)


def to_json(value: Any) -> str:
    """Return a value as JSON that every database takes."""
    text = json.dumps(value)
    return json.dumps(_plain_within(value)) if _UNFIT_IN_JSON.search(text) else text


def _plain_within(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {_plain_within(name): _plain_within(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_within(part) for part in value]
    return value


class Words(TypeDecorator[str]):
    """A string of at most so many characters."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return what is sent for a value."""
        return None if value is None else plain(value)


class Ids(Words):
    """An id that a host or another provider chose; a database that would refuse it has it cut."""

    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return what is sent for a value."""
        text = super().process_bind_param(value, dialect)
        return text if text is None or dialect.name == "sqlite" else text[: self.length]


class Text(Words):
    """A text of any length: MySQL's own type ends at 64 KiB."""

    impl = AnyText
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Return the type of a database."""
        return dialect.type_descriptor(MEDIUMTEXT() if dialect.name == "mysql" else AnyText())
