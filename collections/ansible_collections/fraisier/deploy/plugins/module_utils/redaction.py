# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Secrets left out of texts that are cut: Ansible finds whole values only, and after the cut."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, AnyStr, Iterable, Iterator
from urllib.parse import quote

HIDDEN = "********"
SHORTEST_SECRET = 4  # hiding shorter texts would hide numbers and words of every answer
_known: set[str] = set()
_lent: ContextVar[frozenset[str]] = ContextVar("_lent", default=frozenset())


def hide(module: Any, more: Iterable[str] = ()) -> None:
    """Have Ansible hide a module's secrets and some `more`, and leave them out of cut texts."""
    values = (*module.no_log_values, *more)
    module.no_log_values = {text for text in values if len(text) >= SHORTEST_SECRET}
    know(module.no_log_values)


def know(values: Iterable[str]) -> None:
    """Leave these values out of all texts that are cut from now on."""
    _known.update(form for value in values for form in forms(value))


@contextmanager
def knowing(values: Iterable[str]) -> Iterator[None]:
    """Leave these values out of texts that are cut while the block runs."""
    found = {form for value in values for form in forms(value)}
    token = _lent.set(_lent.get() | found)
    try:
        yield
    finally:
        _lent.reset(token)


def forms(value: str) -> set[str]:
    """Return a secret in each form it may be met in; none of one that is too short."""
    if len(value) < SHORTEST_SECRET:
        return set()
    encoded = base64.b64encode(value.encode("utf-8", "replace")).decode().rstrip("=")
    quoted = quote(value, safe="", errors="replace")
    return {value, quoted, json.dumps(value)[1:-1], encoded}


def redacted(text: str) -> str:
    """Return a text without the values that are known."""
    for form in sorted(_known | _lent.get(), key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def shorten(text: str, most: int) -> str:
    """Return the first `most` characters of a text, and no part of a secret at their end."""
    return text if len(text) <= most else redacted(text)[:most]


def last_part(text: str, most: int) -> str:
    """Return the last `most` characters of a text, and no part of a secret at their beginning."""
    return text if len(text) <= most else redacted(text)[-most:]


def cut_ends(head: bytes, tail: bytes) -> tuple[bytes, bytes]:
    """Return two pieces, between which something is missing, without parts of secrets there."""
    known = [form.encode("utf-8", "replace") for form in _known | _lent.get()]
    return without_last_part(head, known), without_first_part(tail, known)


def without_last_part(text: AnyStr, secrets: Iterable[AnyStr]) -> AnyStr:
    """Return a text without the beginning of a secret at its end."""
    kept = len(text)
    for secret in secrets:
        if text and text in secret:
            return text[:0]
        start = text.find(secret[:1], max(0, len(text) - len(secret) + 1))
        while 0 <= start < kept and not secret.startswith(text[start:]):
            start = text.find(secret[:1], start + 1)
        kept = start if 0 <= start < kept else kept
    return text[:kept]


def without_first_part(text: AnyStr, secrets: Iterable[AnyStr]) -> AnyStr:
    """Return a text without the end of a secret at its beginning."""
    gone = 0
    for secret in secrets:
        if text and text in secret:
            return text[:0]
        end = text.rfind(secret[-1:], 0, len(secret) - 1) + 1
        while end > gone and not secret.endswith(text[:end]):
            end = text.rfind(secret[-1:], 0, end - 1) + 1
        gone = max(gone, end)
    return text[gone:]
