"""Reading a payload: each value where its host documents it, and of the type that it has there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fraisier.domain.errors import UsageError
from fraisier.domain.plain_text import clean
from fraisier.domain.push import Push, ref_of

LONGEST = 255
MESSAGE_KEPT = 1000
#: Where more files than this were changed, they are not looked at one by one.
PATHS = 2000
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPLACED = re.compile("[\x00\ud800-\udfff]")


def value(data: Any, path: str, kind: type, default: Any = ...) -> Any:
    """Return what stands at a dotted path; raise UsageError where it is of another type.

    Null and what is missing come to `default`, where there is one.
    """
    found = data
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None and default is not ...:
        return default
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        known = {str: "text", dict: "an object", list: "a list", int: "a number", bool: "a boolean"}
        raise UsageError(f"the payload's {path} is not {known[kind]}", "send it as the host does")
    return found


def text(data: Any, path: str, default: Any = ..., longest: int = LONGEST) -> str:
    """Return a line of text of bounded length; raise UsageError."""
    found = str(value(data, path, str, default))
    if len(found) > longest or not found.isprintable():
        raise UsageError(
            f"the payload's {path} is not a line of at most {longest} characters",
            "send it as the host does",
        )
    return found


def message(data: Any, path: str) -> str:
    """Return the beginning of a commit's message, empty where there is none."""
    return clean(str(value(data, path, str, ""))[:MESSAGE_KEPT])


def commit(data: Any, path: str) -> str:
    """Return a full SHA, or empty text where it is all zeros: nothing is there any more."""
    found = text(data, path)
    if not _SHA.fullmatch(found):
        raise UsageError(f"the payload's {path} is not a full SHA", "send it as the host does")
    return found if found.strip("0") else ""


def existed(data: Any) -> bool:
    """Return whether the payload says that the branch was there before the push."""
    return value(data, "before", str, None) is not None and bool(commit(data, "before"))


def urls(data: Any, *paths: str) -> tuple[str, ...]:
    """Return the URLs that are there."""
    found = [text(data, path, "", 2000) for path in paths]
    return tuple(dict.fromkeys(url for url in found if url))


def branch_or_tag(data: Any, path: str) -> tuple[str, str]:
    """Return ("branch" or "tag", name), or ("", ref) of what is neither."""
    return ref_of(text(data, path))


def changed(commits: Sequence[Any], whole: bool) -> tuple[str, ...] | None:
    """Return the files that commits changed; None where they are not all there, or too many.

    A list that is null or missing says nothing of what was changed: it may not be empty.
    """
    if not whole or not commits:
        return None
    kinds = ("added", "modified", "removed")
    lists = [value(each, kind, list, None) for each in commits for kind in kinds]
    found = {name for names in lists for name in _names(names or ())}
    return tuple(sorted(found)) if None not in lists and len(found) <= PATHS else None


def of(commits: Iterable[Any], sha: str) -> Any:
    """Return the commit with a SHA among some, an empty one where it is not there."""
    return next((each for each in commits if value(each, "id", str, "") == sha), {})


def pushed(
    repository: str, places: tuple[str, ...], ref: tuple[str, str], sha: str, **more: Any
) -> list[Push]:
    """Return the push in a list; nothing for a ref that is neither a branch nor a tag."""
    kind, name = ref
    return [Push(repository, places, kind, name, sha, **more)] if kind else []


def _names(names: Sequence[Any]) -> Iterable[str]:
    for name in names:
        if not isinstance(name, str):
            raise UsageError(
                "a changed file of the payload is not text", "send it as the host does"
            )
        yield _REPLACED.sub("\ufffd", name)[:4096]
