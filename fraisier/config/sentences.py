"""Says in plain words what a JSON Schema error means, and at which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from fraisier.config.report import Path, Report
from fraisier.domain.errors import did_you_mean


class SchemaError(Protocol):
    """What is read here of a jsonschema SchemaError, whose own types are looser."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any
    context: Any
    path: Any
    schema_path: Any

    @property
    def absolute_path(self) -> Any: ...

    @property
    def absolute_schema_path(self) -> Any: ...


Said = Iterator[tuple[Path, str]]
Teller = Callable[["SchemaError", Path, Report], Said]

_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def tell(error: SchemaError, report: Report) -> Said:
    """Yield (path, sentence) for everything that one schema error stands for."""
    path = tuple(error.absolute_path)
    if list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
        yield (*path, str(error.instance)), f"expected {_words(error)}"
        return
    teller = _TELLERS.get(str(error.validator))
    if teller:
        yield from teller(error, path, report)
    else:
        shown = report.shown(path, error.instance)
        yield path, f"does not fit the rule {error.validator}: {error.validator_value}; got {shown}"


def _unknown_keys(error: SchemaError, path: Path, report: Report) -> Said:
    schema: Mapping[str, Any] = error.schema
    known = list(schema.get("properties", ()))
    patterns = schema.get("patternProperties", ())
    for key in error.instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        near = did_you_mean(key, known)
        listed = f"; known here: {', '.join(known)}" if known else ""
        yield (*path, key), f"unknown key{near or listed}"


def _missing(error: SchemaError, path: Path, report: Report) -> Said:
    for key in error.validator_value:
        if key not in error.instance:
            yield path, f'"{key}" is missing'


def _wrong_type(error: SchemaError, path: Path, report: Report) -> Said:
    wanted = error.validator_value
    yield path, _expected([wanted] if isinstance(wanted, str) else wanted, error, path, report)


def _expected(types: list[str], error: SchemaError, path: Path, report: Report) -> str:
    words = [_TYPES.get(name, name) for name in types]
    wanted = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    plain = isinstance(error.instance, bool | int | float)
    advice = "; put it in quotes" if plain and "string" in types else ""
    return f"expected {wanted}, got {report.shown(path, error.instance)}{advice}"


def _not_listed(error: SchemaError, path: Path, report: Report) -> Said:
    allowed = [str(value) for value in error.validator_value]
    near = did_you_mean(error.instance, allowed) if isinstance(error.instance, str) else ""
    known = error.schema.get("x-known")
    if known and isinstance(error.instance, str):
        shown = report.echo(path, error.instance)
        names = ", ".join(known)
        yield path, f"unknown {error.schema['title']} {shown}; known: {names}{near}"
        return
    wanted = f"one of {', '.join(allowed)}" if len(allowed) > 1 else " ".join(allowed)
    yield path, f"expected {wanted}; got {report.echo(path, error.instance)}{near}"


def _const(error: SchemaError, path: Path, report: Report) -> Said:
    yield path, f"expected {error.validator_value}; got {report.echo(path, error.instance)}"


def _pattern(error: SchemaError, path: Path, report: Report) -> Said:
    yield path, f"expected {_words(error)}; got {report.echo(path, error.instance)}"


def _words(error: SchemaError) -> str:
    """Say a pattern in the schema's own words, those that editors show too."""
    says = error.schema.get("patternErrorMessage")
    return str(says) if says else f"text of the form {error.validator_value}"


def _bound(words: str) -> Teller:
    def teller(error: SchemaError, path: Path, report: Report) -> Said:
        limit = error.validator_value
        yield path, f"must be {words.format(limit)}, got {report.echo(path, error.instance)}"

    return teller


def _count(words: str) -> Teller:
    def teller(error: SchemaError, path: Path, report: Report) -> Said:
        limit = error.validator_value
        noun = "entry" if limit == 1 else "entries"
        yield path, f"needs {words} {limit} {noun}, has {len(error.instance)}"

    return teller


def _length(words: str) -> Teller:
    def teller(error: SchemaError, path: Path, report: Report) -> Said:
        if error.validator_value == 1 and not error.instance:
            yield path, "must not be empty"
        else:
            yield path, f"must have {words} {error.validator_value} characters"

    return teller


def _repeated(error: SchemaError, path: Path, report: Report) -> Said:
    yield path, "holds the same entry twice"


def _nothing_allowed(error: SchemaError, path: Path, report: Report) -> Said:
    yield path, "is not allowed here"


def _alternatives(error: SchemaError, path: Path, report: Report) -> Said:
    """Tell what the branch that comes nearest says; if the type fits none, name all types."""
    branches: dict[Any, list[SchemaError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [errors for errors in branches.values() if not any(map(_is_outright, errors))]
    if fitting:
        for inner in min(fitting, key=_distance):
            yield from tell(inner, report)
        return
    types: list[str] = []
    for inner in filter(_is_outright, error.context or ()):
        wanted = inner.validator_value
        types += [wanted] if isinstance(wanted, str) else wanted
    if types:
        yield path, _expected(list(dict.fromkeys(types)), error, path, report)
    else:
        yield path, f"matches more than one of the forms it may have ({error.validator})"


def _is_outright(error: SchemaError) -> bool:
    return error.validator == "type" and not error.path


def _distance(errors: list[SchemaError]) -> tuple[int, int]:
    return len(errors), sum(error.validator == "additionalProperties" for error in errors)


_TELLERS: dict[str, Teller] = {
    "additionalProperties": _unknown_keys,
    "unevaluatedProperties": _unknown_keys,
    "required": _missing,
    "type": _wrong_type,
    "enum": _not_listed,
    "const": _const,
    "pattern": _pattern,
    "minimum": _bound("at least {}"),
    "maximum": _bound("at most {}"),
    "exclusiveMinimum": _bound("more than {}"),
    "exclusiveMaximum": _bound("less than {}"),
    "minItems": _count("at least"),
    "maxItems": _count("at most"),
    "minProperties": _count("at least"),
    "maxProperties": _count("at most"),
    "minLength": _length("at least"),
    "maxLength": _length("at most"),
    "uniqueItems": _repeated,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": _nothing_allowed,
    "if": _nothing_allowed,
}
