"""Validates the results of modules: the one gate for everything that a host answers.

A host can be broken or hostile, and Fraisier records, shows and acts on its answers. So each field
has a type, and numbers and names have a size that every database accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fraisier.domain.plain_json import LARGEST

CODE = "host_answer_invalid"
HINT = "see that nothing but Fraisier's modules answers there: fraisier hosts probe, fraisier logs"
#: What the records hold of names and versions, in characters.
NAME = 255
LONGEST_CODE = 64
#: Unix seconds, until the year 4147.
TIME = 2.0**36

Shape = Callable[[Any], None]


class Unfit(ValueError):
    """A value is not of the shape that it must have; `path` says where."""

    def __init__(self, wanted: str, path: str = "") -> None:
        super().__init__(f"{path or 'it'} is not {wanted}")
        self.wanted = wanted
        self.path = path


def require_fit(result: Mapping[str, Any]) -> None:
    """Raise Unfit unless each field of a module's result that is known here has its shape."""
    _record({}, FIELDS)(result)


def require_whole(module: str, action: str, result: Mapping[str, Any]) -> None:
    """Raise Unfit where a module that has done its work left out what it always tells.

    `action` is that of the module `app`; empty for other modules.
    """
    for name in REQUIRED.get(module.rpartition(".")[2], ()):
        if name not in result:
            raise Unfit("there", name)
    for name in REQUIRED_OF_APP.get(action, ()) if "app" in result else ():
        if name not in result["app"]:
            raise Unfit("there", f"app.{name}")


# --- shapes -------------------------------------------------------------------------------


def _text(longest: int | None = None) -> Shape:
    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise Unfit("text")
        if longest is not None and len(value) > longest:
            raise Unfit(f"of at most {longest} characters")

    return check


def _number(least: float, most: float, kind: type | tuple[type, ...]) -> Shape:
    def check(value: Any) -> None:
        fits = isinstance(value, kind) and not isinstance(value, bool)
        if not fits or not least <= value <= most:
            raise Unfit(f"a number from {least:g} to {most:g}")

    return check


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise Unfit("true or false")


def _anything(_value: Any) -> None:
    pass


def _or_null(shape: Shape) -> Shape:
    return lambda value: None if value is None else shape(value)


def _list(shape: Shape) -> Shape:
    def check(value: Any) -> None:
        if not isinstance(value, list):
            raise Unfit("a list")
        _each(((f"[{number}]", item) for number, item in enumerate(value)), lambda _name: shape)

    return check


def _by_name(shape: Shape) -> Shape:
    def check(value: Any) -> None:
        _each(_items(value), lambda _name: shape)

    return check


def _record(required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> Shape:
    """Return the shape of a mapping; it may hold more than is known here."""
    known = {**required, **optional}

    def check(value: Any) -> None:
        items = list(_items(value))
        for name in required:
            if name not in value:
                raise Unfit("there", name)
        _each(items, lambda name: known.get(name, _anything))

    return check


def _fence(value: Any) -> None:
    if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS:
        return  # a number that another provider's templates made text of
    (_HOLDER if isinstance(value, Mapping) else _FENCE)(value)


def _diff(value: Any) -> None:
    (_by_name(_anything) if isinstance(value, Mapping) else _list(_by_name(_anything)))(value)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise Unfit("a mapping")
    yield from value.items()


def _each(items: Any, shape_of: Callable[[str], Shape]) -> None:
    for name, item in items:
        try:
            shape_of(name)(item)
        except Unfit as error:
            dot = "." if error.path and not error.path.startswith("[") else ""
            raise Unfit(error.wanted, f"{name}{dot}{error.path}") from None


# --- the fields of results ----------------------------------------------------------------

_DIGITS = len(str(LARGEST))
_WORDS, _MAYBE_WORDS = _text(), _or_null(_text())
_WHOLE = _number(0, LARGEST, int)
#: The next deployment takes the number after it, and so must find room above.
_FENCE = _number(0, LARGEST // 2, int)
_SECONDS = _number(-TIME, TIME, (int, float))
_MOMENT = _number(0, TIME, (int, float))
_AMOUNT = _number(0, LARGEST, (int, float))
_HOLDER = _record(
    {"number": _FENCE},
    {"installation": _WORDS, "deployment": _WORDS, "released": _flag, "running": _flag},
)
_RELEASE = _record(
    {},
    {
        "id": _or_null(_text(NAME)),
        "version": _or_null(_text(NAME)),
        "status": _MAYBE_WORDS,
        "deployment": _MAYBE_WORDS,
        "good": _flag,
    },
)
_GATE = _record(
    {},
    {
        "type": _WORDS,
        "attempts": _WHOLE,
        "seconds": _SECONDS,
        "detail": _MAYBE_WORDS,
        "passed": _flag,
    },
)
_REMARK = _record({}, {"step": _MAYBE_WORDS, "text": _MAYBE_WORDS, "why": _MAYBE_WORDS})
_UNIT = _record(
    {"active_state": _WORDS, "sub_state": _WORDS},
    {
        "name": _MAYBE_WORDS,
        "main_pid": _or_null(_WHOLE),
        "n_restarts": _or_null(_WHOLE),
    },
)
_COLOURS = _record({}, {"live": _MAYBE_WORDS, "staged": _MAYBE_WORDS, "backend": _MAYBE_WORDS})
_BACKUP = _record(
    {
        "id": _WORDS,
        "at": _MOMENT,
        "why": _WORDS,
        "deployment": _MAYBE_WORDS,
        "version": _MAYBE_WORDS,
        "bytes": _AMOUNT,
        "paths": _list(_WORDS),
    },
    {},
)
_PROXY = _record(
    {"installed": _flag, "running": _flag},
    {
        "backend": _MAYBE_WORDS,
        "servers": _or_null(
            _by_name(
                _record({"weight": _WHOLE, "up": _flag, "drained": _flag}, {"sessions": _WHOLE})
            )
        ),
        "certificate_until": _or_null(_MOMENT),
        "acme": _or_null(_record({"stand_in": _flag, "problem": _MAYBE_WORDS}, {})),
    },
)
_CONTAINER = _record(
    {},
    {
        "name": _MAYBE_WORDS,
        "image": _MAYBE_WORDS,
        "state": _MAYBE_WORDS,
        "health": _MAYBE_WORDS,
        "restarts": _or_null(_WHOLE),
    },
)
_RUN = _record(
    {"running": _flag, "result": _WORDS, "started_at": _MOMENT, "seconds": _SECONDS},
    {"exit_status": _or_null(_number(-LARGEST, LARGEST, int))},
)
_APP = _record(
    {},
    {
        "release": _or_null(_RELEASE),
        "running": _MAYBE_WORDS,
        "unit": _UNIT,
        "fence": _or_null(_HOLDER),
        "releases": _list(_RELEASE),
        "containers": _list(_CONTAINER),
        "colours": _or_null(_COLOURS),
        "ok": _flag,
        "since": _or_null(_MOMENT),
        "memory_bytes": _or_null(_AMOUNT),
        "last_run": _or_null(_RUN),
        "next": _MAYBE_WORDS,
        "entries": _list(_record({"at": _MOMENT, "source": _WORDS, "text": _WORDS}, {})),
        "cursor": _MAYBE_WORDS,
        "now": _MOMENT,
        "left_out": _number(-LARGEST, LARGEST, int),
        "exit_status": _number(-LARGEST, LARGEST, int),
        "output": _WORDS,
        "timed_out": _flag,
        "clock": _MOMENT,
        "disk": _record({"path": _WORDS, "bytes": _AMOUNT, "files": _or_null(_AMOUNT)}, {}),
        "shell": _record(
            {
                "program": _WORDS,
                "seconds": _or_null(_SECONDS),
                "bare": _or_null(_SECONDS),
                "files": _list(_WORDS),
            },
            {},
        ),
        "python": _WORDS,
    },
)

#: The fields of a module's result that leave the runner, and the shape of each.
FIELDS: Mapping[str, Shape] = {
    "changed": _flag,
    "fence": _or_null(_fence),
    "switched": _flag,
    "release": _or_null(_RELEASE),
    "previous": _or_null(_RELEASE),
    "reused": _flag,
    "gate": _or_null(_GATE),
    "steps": _list(_record({"name": _WORDS, "seconds": _SECONDS}, {"changed": _flag})),
    "app_path": _MAYBE_WORDS,
    "running": _MAYBE_WORDS,
    "unit": _or_null(_UNIT),
    "releases": _list(_RELEASE),
    "stopped": _flag,
    "version": _or_null(_text(NAME)),
    "code": _text(LONGEST_CODE),
    "hint": _MAYBE_WORDS,
    "step": _MAYBE_WORDS,
    "diff": _or_null(_diff),
    "unpredictable": _list(_REMARK),
    "app": _APP,
    "around": _or_null(
        _record(
            {},
            {
                "migrated": _flag,
                "warnings": _list(_WORDS),
                "backup": _or_null(_by_name(_anything)),
            },
        )
    ),
    "backup": _record({}, {"backups": _list(_BACKUP), "folder": _MAYBE_WORDS}),
    "checkout": _or_null(_record({}, {"head": _MAYBE_WORDS, "changes": _list(_WORDS)})),
    "containers": _list(_CONTAINER),
    "sealed": _flag,
    "healed": _flag,
    "under_way": _list(_WORDS),
    "staged": _or_null(_record({"version": _text(NAME)}, {"id": _text(NAME), "colour": _WORDS})),
    "colours": _or_null(_COLOURS),
    "verdict": _MAYBE_WORDS,
    "analysis": _or_null(_list(_by_name(_anything))),
    "proxy": _PROXY,
    "log": _list(_REMARK),
}

_OF_RELEASES = ("switched", "release", "previous")
_OF_PROBES = ("release", "running", "fence", "releases")
#: What a module always tells where it has done its work.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "answer": ("changed", "switched", "fence"),
    **dict.fromkeys(("release", "release_shift", "preflight"), _OF_RELEASES),
    **dict.fromkeys(("compose_release", "compose_shift", "compose_preflight"), _OF_RELEASES),
    **dict.fromkeys(("coolify_release", "coolify_preflight"), _OF_RELEASES),
    **dict.fromkeys(("release_probe", "compose_probe", "coolify_probe"), _OF_PROBES),
    **dict.fromkeys(("app", "compose_app"), ("app",)),
    **dict.fromkeys(("backup", "compose_backup"), ("backup",)),
    "health_gate": ("gate",),
    "fence": ("fence", "holder"),
    "proxy_backend": ("backend",),
    "proxy_drain": ("fence", "empty"),
    "proxy_probe": ("proxy",),
    "proxy_certificate": ("certificate_until",),
    "write_files": ("paths",),
    "git_version": ("sha",),
}
_OF_STATUS = ("unit", "release", "ok", "since", "memory_bytes")
REQUIRED_OF_APP: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("status", "restart", "start", "stop"), _OF_STATUS),
    "logs": ("entries", "cursor", "now"),
    "exec": ("exit_status", "output", "timed_out"),
    "examine": ("clock", "disk", "shell"),
}
