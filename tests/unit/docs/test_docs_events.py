"""The event reference is complete: every type, and every stream."""

from __future__ import annotations

import json
import re

import pytest

from fraisier.domain.event import EVENT_TYPES
from fraisier.domain.notice import Notice
from fraisier.nats.subjects import DEAD_LETTER, FAMILIES, stream_of
from support import pages

REFERENCE = pages.page("docs/EVENT_REFERENCE.md")
GUIDE = pages.page("docs/NATS_INTEGRATION_GUIDE.md")


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_event_type_has_a_row_in_the_section_of_its_family(name: str) -> None:
    family = name.partition(".")[0]
    section = REFERENCE.text.split(f"\n## `{family}.*`\n")[1].split("\n## ")[0]
    assert re.search(rf"^\| `{re.escape(name)}` \|", section, re.M)
    assert f"`{stream_of(family)}`" in section


def test_no_type_is_documented_that_does_not_exist() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+\.[a-z_*]+)` \|", REFERENCE.text, re.M))
    assert rows == {*EVENT_TYPES, "audit.*"}


def test_the_example_of_an_event_has_the_keys_of_an_event() -> None:
    (block,) = REFERENCE.blocks("json")
    shown = json.loads(block.text)
    made = Notice("e", "deployment.started", "d", 1, 0, None, {}).payload("i")
    assert shown.keys() == made.keys()
    assert shown["data"].keys() == made["data"].keys()
    for key in made:
        assert re.search(rf"^\| [^|]*`{key}`[^|]*\|", REFERENCE.text, re.M), key


def test_every_stream_is_in_the_guide() -> None:
    for family in (*FAMILIES, DEAD_LETTER):
        assert GUIDE.row(stream_of(family)), family
