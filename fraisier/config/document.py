"""Reads a YAML file as plain values and remembers the line of every path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from fraisier.config.report import Path, Report

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
#: Scalars that stay the text they were written as; a date is no value of ours.
_TEXT_TAGS = frozenset(f"{_TAG}{name}" for name in ("str", "timestamp", "value"))
_TYPED_TAGS = frozenset(f"{_TAG}{name}" for name in ("null", "bool", "int", "float"))


class _Unreadable(Exception):
    """The rest of the file cannot be read; the problem is already in the report."""


@dataclass
class Document:
    """A file's values. `written` has the source text of unquoted booleans and numbers, by path."""

    data: Any
    report: Report
    written: dict[Path, str] = field(default_factory=dict)


def read(path: FilePath) -> Document:
    """Read and compose a YAML file, or raise ConfigurationError with the problems that prevent it.

    Duplicate keys, keys that are not text, foreign tags and numbers that are not finite are left
    in the document's report, for the caller to raise together with what else it finds.
    """
    report = Report(str(path))
    try:
        document = Document(None, report)
        text = _text(path, report)
        _check_depth(text, report)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            document.data = _Walk(loader, document).value(node, ()) if node is not None else None
        finally:
            loader.dispose()
    except _Unreadable:
        report.raise_if_any()
    except yaml.YAMLError as error:
        _add_syntax_error(error, text, report)
        report.raise_if_any()
    if node is None:
        report.add((), "the file is empty; `fraisier config init` writes an example")
        report.raise_if_any()
    return document


def _text(path: FilePath, report: Report) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        report.add((), "is a folder, not a file; name the file inside it")
        raise _Unreadable from None
    except OSError as error:
        report.add((), f"cannot be read: {error.strerror}")
        raise _Unreadable from error
    if len(raw) > MAX_BYTES:
        report.add((), f"is larger than {MAX_BYTES // 1024} KiB; this is no configuration file")
        raise _Unreadable
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        report.add((), "is not UTF-8 text; save it in that encoding", line)
        raise _Unreadable from error


def _check_depth(text: str, report: Report) -> None:
    """Refuse deep nesting before libyaml composes it: its recursion would end the process."""
    depth = 0
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            report.add((), f"is nested more than {MAX_DEPTH} deep", _line(event))
            raise _Unreadable


def _add_syntax_error(error: yaml.YAMLError, text: str, report: Report) -> None:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        report.add((), f"is not valid YAML: {getattr(error, 'problem', '')}", mark.line + 1)
        return
    line = next(
        (at for at, row in enumerate(text.split("\n"), 1) if _has_control_character(row)), 0
    )
    report.add((), "holds a control character; remove it", line)


def _has_control_character(row: str) -> bool:
    return any(ord(char) < 32 and char not in "\t\r" for char in row) or "\x7f" in row


class _Walk:
    """Turns composed nodes into values; every visit counts, so that aliases cannot explode.

    Merged entries are visited after a mapping's own, so the first line noted for a path is right.
    """

    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._report = document.report
        self._visits = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Return the plain value of a node and note the line of its path."""
        self._report.lines.setdefault(path, _line(node))
        self._visits += 1
        if self._visits > MAX_VALUES:
            self._stop(node, f"holds more than {MAX_VALUES} values once its aliases are followed")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._stop(node, "holds an alias that refers to itself")
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            return self._foreign_tag(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merges.append(value_node)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in found:
                first = self._report.line((*path, key))
                self._report.add(
                    (*path, key), f"is set twice, first in line {first}", _line(key_node)
                )
                continue
            self._report.lines.setdefault((*path, key), _line(key_node))
            found[key] = self.value(value_node, (*path, key))
        for merged in merges:
            for key, value in self._merged(merged, path):
                found.setdefault(key, value)
        return found

    def _merged(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, Any]]:
        """Yield the entries of `<<`: a mapping, or a list of which the first wins."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in nodes:
            if not isinstance(each, yaml.MappingNode):
                self._report.add(path, "`<<` merges mappings only", _line(node))
                continue
            yield from self.value(each, path).items()

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            if node.tag in _TEXT_TAGS or node.value == "on":  # which YAML 1.1 reads as true
                return str(node.value)
            message = f"the key {node.value} is no text for YAML: put it in quotes"
        else:
            message = "a key must be text"
        self._report.add(path, message, _line(node))
        return None

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if "\0" in node.value:
            self._report.settle(path, "must not hold a NUL character")
        if node.tag in _TEXT_TAGS:
            return str(node.value)
        if node.tag == "!vault":
            return node.value if path[-1:] == ("vault",) else {"vault": node.value}
        if node.tag not in _TYPED_TAGS:
            return self._foreign_tag(node, path)
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._report.settle(
                path, "cannot be read as the number it looks like: put it in quotes"
            )
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._report.settle(path, "is not a finite number")
            return None
        if value is not None:
            self._document.written.setdefault(path, node.value)
        return value

    def _foreign_tag(self, node: yaml.Node, path: Path) -> None:
        self._report.settle(path, f"the tag {node.tag} is not allowed here")

    def _stop(self, node: yaml.Node, message: str) -> None:
        self._report.add((), message, _line(node))
        raise _Unreadable


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 0
