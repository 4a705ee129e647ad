# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a configuration wants done around a release: hooks, backup, migration, smoke tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from .check import Check
from .failure import Failure
from .headers import without_queries
from .health import parse as parse_check
from .service import argument_list, shown

FAIL, WARN = "fail", "warn"
FIRST, EACH = "first", "each"
HOOKS = ("pre_deployment", "post_deployment")
HOOK_SECONDS, SMOKE_SECONDS = 600.0, 30.0
LONG_SECONDS = 1800.0
#: Of a smoke test over HTTP, what goes to its check as it is.
_HTTP = ("url", "method", "headers", "status", "body", "validate_certs")
_KEYS = {
    "": {"hooks", "backup", "migrate", "smoke"},
    "hooks": set(HOOKS),
    "backup": {
        "paths", "command", "restore_command", "keep", "timeout", "folder", "stop", "on",
    },
    "migrate": {"command", "down", "timeout", "on"},
    "entry": {"command", "name", "timeout", "on_failure", *_HTTP},
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A hook or a smoke test: a command (an argument list) or an HTTP check. Times in seconds."""

    name: str
    command: Sequence[str]
    check: Check | None
    timeout: float
    on_failure: str


@dataclass(frozen=True)
class Backup:
    """What to save and how. `paths` as written; commands are argument lists, empty where none."""

    paths: Sequence[str]
    command: Sequence[str]
    restore_command: Sequence[str]
    keep: int
    timeout: float
    folder: str
    stop: bool
    on: str


@dataclass(frozen=True)
class Migrate:
    """The step that changes the database, and its way back (empty where there is none)."""

    command: Sequence[str]
    down: Sequence[str]
    timeout: float
    on: str


@dataclass(frozen=True)
class Around:
    """All of it; empty and None where nothing is configured."""

    hooks: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    smoke: Sequence[Entry] = ()
    backup: Backup | None = None
    migrate: Migrate | None = None


def parse(data: Mapping[str, Any] | None) -> Around:
    """Return what the `around` of a service says; raises Failure `service_invalid`."""
    given = _known(data or {}, "", "around")
    hooks = _known(given.get("hooks") or {}, "hooks", "hooks")
    return Around(
        hooks={
            when: tuple(_entry(item, f"hooks.{when}", HOOK_SECONDS) for item in hooks[when])
            for when in HOOKS
            if hooks.get(when)
        },
        smoke=tuple(_entry(item, "smoke", SMOKE_SECONDS) for item in given.get("smoke") or ()),
        backup=_backup(given["backup"]) if given.get("backup") else None,
        migrate=_migrate(given["migrate"]) if given.get("migrate") else None,
    )


def _entry(item: Any, where: str, seconds: float) -> Entry:
    data = _known(item if isinstance(item, Mapping) else {"command": item}, "entry", where)
    command, url = _command(data.get("command"), where), data.get("url")
    if bool(command) == bool(url):
        raise _invalid(f"{where}: an entry needs a command, or (of smoke) a url")
    timeout = _seconds(data.get("timeout"), seconds, where)
    check = None
    if url:
        asked = {name: data[name] for name in _HTTP if data.get(name) is not None}
        check = parse_check({"type": "http", **asked, "timeout": timeout}, 0.0, timeout)
    asks = without_queries(str(url)) if url else shown(data["command"])
    return Entry(
        name=str(data.get("name") or asks),
        command=command,
        check=check,
        timeout=timeout,
        on_failure=_one_of(data.get("on_failure"), (FAIL, WARN), f"{where}: on_failure"),
    )


def _backup(data: Any) -> Backup:
    data = _known(data, "backup", "backup")
    paths, command = tuple(data.get("paths") or ()), _command(data.get("command"), "backup")
    if not paths and not command:
        raise _invalid("backup: it names neither paths nor a command")
    folder, keep = str(data.get("folder") or ""), int(data.get("keep", 5))
    if folder and not folder.startswith("/"):
        raise _invalid("backup: folder must be an absolute path")
    if keep < 1:
        raise _invalid("backup: keep must be at least 1")
    return Backup(
        paths=tuple(str(path) for path in paths),
        command=command,
        restore_command=_command(data.get("restore_command"), "backup"),
        keep=keep,
        timeout=_seconds(data.get("timeout"), LONG_SECONDS, "backup"),
        folder=folder,
        stop=bool(data.get("stop", True)),
        on=_one_of(data.get("on"), (EACH, FIRST), "backup: on"),
    )


def _migrate(data: Any) -> Migrate:
    data = _known(data, "migrate", "migrate")
    command = _command(data.get("command"), "migrate")
    if not command:
        raise _invalid("migrate: command is missing")
    return Migrate(
        command=command,
        down=_command(data.get("down"), "migrate"),
        timeout=_seconds(data.get("timeout"), LONG_SECONDS, "migrate"),
        on=_one_of(data.get("on"), (FIRST, EACH), "migrate: on"),
    )


def _command(value: Any, where: str) -> tuple[str, ...]:
    if not value:
        return ()
    if not isinstance(value, (str, list, tuple)):
        raise _invalid(f"{where}: a command is a text for sh, or a list of arguments")
    found = tuple(argument_list(value))
    if any("\0" in argument for argument in found):
        raise _invalid(f"{where}: a command holds a NUL character")
    return found


def _known(data: Any, kind: str, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise _invalid(f"{where}: is not a mapping")
    strange = sorted(str(key) for key in data if key not in _KEYS[kind])
    if strange:
        raise _invalid(f"{where}: unknown key {', '.join(strange)}")
    return dict(data)


def _seconds(value: Any, default: float, where: str) -> float:
    seconds = default if value is None else float(value)
    if seconds <= 0:
        raise _invalid(f"{where}: timeout must be more than 0 seconds")
    return seconds


def _one_of(value: Any, known: Sequence[str], where: str) -> str:
    chosen = known[0] if value is None else str(value)
    if chosen not in known:
        raise _invalid(f"{where} must be one of {', '.join(known)}")
    return chosen


def _invalid(message: str) -> Failure:
    return Failure("service_invalid", message, "correct it; docs/RELEASES.md has the keys")
