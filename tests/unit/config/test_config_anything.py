"""Whatever stands wherever in a file, loading ends in a catalogue or in problems with lines."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from config_files import FULL, Files

from fraisier.config import loader
from fraisier.domain.errors import ConfigurationError, Problem

ODD: list[Any] = [None, [{}], {"a": []}, -1, "\n", {"env": None}]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else ()
    for key, item in items if not isinstance(value, list) else enumerate(value):
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _replaced(data: Any, path: tuple[Any, ...], value: Any) -> str:
    copy = deepcopy(data)
    place = copy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return yaml.dump(copy, Dumper=yaml.CSafeDumper)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_value_anywhere_breaks_loading(
    files: Files, odd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers = loader.load_providers(files.folder, {})
    monkeypatch.setattr(loader, "load_providers", lambda *_: providers)  # other files: read once
    data = yaml.safe_load(FULL)
    problems = [_problems(files, _replaced(data, path, odd)) for path in _paths(data)]
    refused = [found for found in problems if found]
    assert len(refused) > 30
    assert all(problem.line and problem.message for found in refused for problem in found)


def _problems(files: Files, text: str) -> tuple[Problem, ...]:
    try:
        files.load(text)
    except ConfigurationError as error:
        return error.problems
    return ()
