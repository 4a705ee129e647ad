# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Checks the values in Coolify's answers: JSON, types, lengths, numbers and control characters."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from .failure import Failure

#: Characters of a word, such as a status, an id or an image's name.
LONGEST = 300
LARGEST = 2**63
_DIGITS = re.compile(r"\d{1,9}\Z", re.ASCII)
#: Sequences that move a terminal's cursor, colour its text or set its title.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HALF = re.compile(r"[\ud800-\udfff]")


def parse(text: str | bytes) -> Any:
    """Return the data of a JSON text; raises ValueError for everything that cannot be trusted."""
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def mapping(data: Any, what: str = "answer") -> Mapping[str, Any]:
    """Return a JSON object; raises Failure `coolify_unexpected` for anything else."""
    if isinstance(data, Mapping):
        return data
    raise unexpected(f"the {what} is no JSON object")


def listed(data: Any, what: str) -> list[Mapping[str, Any]]:
    """Return a list of JSON objects; Coolify numbers the entries of some lists as an object's."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if not isinstance(data, list):
        raise unexpected(f"the {what} are no list")
    return [mapping(each, f"list of {what}") for each in data]


def word(data: Mapping[str, Any], name: str, pattern: re.Pattern[str] | None = None) -> str:
    """Return a short text of one line, empty where there is none."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or clean(value) != value or "\n" in value:
        raise unexpected(f"{name} is not a short text")
    if value and pattern is not None and not pattern.match(value):
        raise unexpected(f"{name} has another form")
    return value


def flag(data: Mapping[str, Any], name: str) -> bool:
    """Return whether something is set; databases tell it by 0 and 1 as well."""
    value = data.get(name)
    if value in (None, False, True):  # 0 and 1 are equal to them
        return bool(value)
    raise unexpected(f"{name} is neither true nor false")


def number(data: Mapping[str, Any], name: str) -> int:
    """Return a whole number, 0 where there is none."""
    value = data.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and _DIGITS.match(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise unexpected(f"{name} is no whole number")


def clean(text: str) -> str:
    """Return a text without anything that a terminal obeys or a database refuses."""
    return _HALF.sub("\ufffd", _UNSEEN.sub("", _SEQUENCE.sub("", text)))


def unexpected(why: str) -> Failure:
    """Return the Failure of an answer that Coolify's API does not give."""
    return Failure(
        "coolify_unexpected",
        f"Coolify's answer has another shape than its API promises: {why}",
        "check that url is that of Coolify 4, and not of something before it",
    )


def _integer(text: str) -> int:
    if len(text) > 20 or not -LARGEST <= int(text) < LARGEST:
        raise ValueError("it has a number that is too large")
    return int(text)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
