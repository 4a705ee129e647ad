"""The generated parts of the documents are what the code says now."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from support import pages


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_docs", pages.TOP / "scripts/generate_docs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_part_is_up_to_date(generator: ModuleType) -> None:
    documents = generator.documents()
    assert documents, "no document has a generated part any more"
    old = [str(path) for path, text in documents.items() if path.read_text() != text]
    assert not old, f"run `make docs`: {', '.join(old)}"


def test_every_part_that_can_be_generated_stands_in_a_document(generator: ModuleType) -> None:
    text = "".join(path.read_text() for path in generator.documents())
    for name in generator.PARTS:
        assert text.count(f"<!-- generated: {name} -->") == 1, name


def test_what_is_between_the_markers_is_replaced_and_nothing_else(generator: ModuleType) -> None:
    text = "before\n<!-- generated: moves -->\nold\n<!-- end -->\nafter\n"
    filled = generator.filled(text)
    assert filled.startswith("before\n<!-- generated: moves -->\n\n```mermaid\n")
    assert filled.endswith("```\n\n<!-- end -->\nafter\n")
    assert "old" not in filled
    assert generator.filled(filled) == filled
