"""What an operation is called in a generated client: derived from its method and its path."""

from __future__ import annotations

import re
from itertools import pairwise

PARAMETER = re.compile(r"{\w+}")
VERBS = {"DELETE": "delete", "PUT": "replace", "PATCH": "change"}
START = "/api/v1"


def operation_id(method: str, path: str, of_many: bool) -> str:
    """Return a name such as `list_deployments`, `get_deployment` or `cancel_deployment`.

    `of_many`: the answer is a page of a list. What is outside of the API's own prefix, such as
    /health, says so at its end.
    """
    parts = [each for each in path.removeprefix(START).split("/") if each]
    words, verb = _words(parts), VERBS.get(method)
    if verb is None and method == "POST":
        verb = _verb(parts, words)
    verb = verb or ("list" if of_many else "get")
    outside = "" if path.startswith(START) else "_outside"
    return "_".join([verb, *words]).replace("-", "_") + outside


def _words(parts: list[str]) -> list[str]:
    """Return the nouns of a path; one of many things is in the singular."""
    return [
        _one(noun) if PARAMETER.fullmatch(after) else noun
        for noun, after in pairwise([*parts, ""])
        if not PARAMETER.fullmatch(noun)
    ]


def _verb(parts: list[str], words: list[str]) -> str:
    """Return what a POST does, and take it from the words where it stands there."""
    if PARAMETER.fullmatch(parts[-1]):
        return "send"
    if not words[-1].endswith("s"):
        return words.pop()
    words[-1] = _one(words[-1])
    return "create"


def _one(noun: str) -> str:
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")
