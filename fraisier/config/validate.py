"""Checks values against a schema and reports every problem in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fraisier.config.report import Path, Report
from fraisier.config.sentences import SchemaError, tell
from fraisier.domain.catalogue import Json

if TYPE_CHECKING:
    from jsonschema import ValidationError


def validate(data: Any, schema: Json, report: Report) -> None:
    """Add to the report whatever in `data` the schema does not allow.

    Text from the environment becomes a number or boolean, in place, where the schema wants one.
    """
    validator = _validator_class()(schema)
    errors = list(validator.iter_errors(data))
    if sum(_cast(error, data, report) for error in errors):
        errors = list(validator.iter_errors(data))
    for error in errors:
        for path, sentence in tell(error, report):
            report.add(path, sentence)


def check_schema(schema: Mapping[str, Any], report: Report, path: Path) -> None:
    """Add to the report what makes a provider's schema no JSON Schema, bad patterns included."""
    for error in _metaschema_errors(schema):
        where = (*path, *error.absolute_path)
        report.add(where, f"is not valid JSON Schema: {error.message}")
    _check_patterns(schema, report, path)


def _metaschema_errors(schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    validator = _validator_class()
    yield from validator(validator.META_SCHEMA).iter_errors(schema)


def _check_patterns(schema: Any, report: Report, path: Path) -> None:
    if isinstance(schema, Mapping):
        patterns = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        if isinstance(schema.get("patternProperties"), Mapping):
            patterns += schema["patternProperties"]
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                report.add(path, f"holds a pattern that cannot be read: {pattern}: {error}")
    children = schema.items() if isinstance(schema, Mapping) else enumerate(schema)
    for key, child in children:
        if isinstance(child, Mapping | list):
            _check_patterns(child, report, (*path, key))


def _cast(error: SchemaError, data: Any, report: Report) -> bool:
    """Put the number or boolean that a text from the environment stands for in its place."""
    *parents, last = path = tuple(error.absolute_path) or (None,)
    if error.validator != "type" or path not in report.hidden:
        return False
    wanted = error.validator_value
    value = _number_or_boolean(error.instance, [wanted] if isinstance(wanted, str) else wanted)
    if value is None:
        return False
    for part in parents:
        data = data[part]
    data[last] = value
    return True


def _number_or_boolean(text: str, types: list[str]) -> bool | int | float | None:
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if {"integer", "number"} & set(types) and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return int(text)
    if "number" in types and re.fullmatch(r"-?\d{1,18}\.\d{1,18}", text, re.ASCII):
        return float(text)
    return None


@cache
def _validator_class() -> Any:
    """Return the draft's validator with `$` in patterns meaning the very end, as in JSON Schema.

    jsonschema is imported here: half of the time that loading a small file takes is its import.
    """
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[ValidationError]:
        strict = f"{wanted[:-1]}\\Z" if re.search(r"(?<!\\)\$\Z", wanted) else wanted
        if isinstance(value, str) and not re.search(strict, value):
            yield ValidationError("does not match the pattern")

    return validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
