# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Headers and queries of requests may be secrets: adds those that are, and hides all when shown."""

from __future__ import annotations

import copy
import re
from typing import Any, Mapping

from .failure import Failure

HIDDEN = "[REDACTED]"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_URL = re.compile(rf"({_SCHEME}[^\s?]*\?)\S*")
_IN_TEXT = re.compile(rf"({_SCHEME}[^\s?'\"<>]*\?)[^\s'\"<>]*")


def with_secret_headers(
    service: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the option `service` with the headers that are secrets.

    `secrets` has their values by place: `health_check/NAME`, or `smoke/NUMBER/NAME` of the smoke
    test with that number, from 0. Where there is no health check that makes a request, as in a
    rollback by the check of an earlier release, its headers are not needed. Raises Failure
    `service_invalid` where there is no such place.
    """
    found: dict[str, Any] = copy.deepcopy(dict(service))
    for place, value in (secrets or {}).items():
        where, _, name = place.rpartition("/")
        if where == "health_check" and name and not _asks(found.get("health_check")):
            continue
        request = _request(found, where)
        if not name or request is None:
            raise Failure(
                "service_invalid",
                f"secret_headers: {place!r} is a header of no health check or smoke test",
                "name it health_check/HEADER or smoke/NUMBER/HEADER",
            )
        request["headers"] = {**(request.get("headers") or {}), name: str(value)}
    return found


def without_values(options: Any, name: str = "") -> Any:
    """Return options as they may be shown, without the values of headers and queries of URLs."""
    if isinstance(options, Mapping):
        hidden = name == "headers"
        return {
            key: HIDDEN if hidden else without_values(each, str(key))
            for key, each in options.items()
        }
    if isinstance(options, (list, tuple)):
        return [without_values(each, name) for each in options]
    return without_queries(options, name) if isinstance(options, str) else options


def without_queries(text: str, name: str = "") -> str:
    """Return a text without the query of each URL in it; `name` is that of the option it stands in.

    A health_path is the end of a URL.
    """
    if name == "health_path":
        path, mark, query = text.partition("?")
        return f"{path}{mark}{query and HIDDEN}"
    if _URL.fullmatch(text):
        return _URL.sub(rf"\1{HIDDEN}", text)
    return _IN_TEXT.sub(rf"\1{HIDDEN}", text)


def _asks(check: Any) -> bool:
    return isinstance(check, dict) and check.get("type", "http") == "http"


def _request(service: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    """Return the health check or smoke test of a place; None where there is none."""
    kind, _, number = where.partition("/")
    if kind == "health_check" and not number:
        check = service.get("health_check")
        return check if isinstance(check, dict) else None
    tests = (service.get("around") or {}).get("smoke") or []
    known = kind == "smoke" and number.isdecimal() and int(number) < len(tests)
    test = tests[int(number)] if known else None
    return test if isinstance(test, dict) else None
