"""The event reference is complete: every type, and every stream."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest

from fraisier.domain.event import EVENT_TYPES
from fraisier.domain.notice import Notice
from fraisier.engine.tending import CONTROLS
from fraisier.nats.subjects import DEAD_LETTER, FAMILIES, stream_of
from support import pages
from support.pages import TOP

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


def test_every_action_that_is_audited_is_named() -> None:
    section = REFERENCE.text.split("\n## `audit.*`\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`audit\.([a-z_.]+)`", section)) == set(audited())


#: What stands for an action in the code that chooses it -> all that it can be.
CHOSEN = {
    "_action(new)": (
        "deploy", "deploy.break_glass", "promote", "promote.break_glass", "rollback",
    ),
    "f'app.{verb}'": [f"app.{verb}" for verb in CONTROLS],
    "f\"backup.{asked['action']}\"": ("backup.restore", "backup.take"),
    "asked": ("deploy.break_glass", "promote.break_glass"),
}  # fmt: skip
#: What writes a row -> which of its arguments is the action.
WRITES = {"note": 2, "add_audit": 1}
#: What passes on an action that others chose.
PASSES_ON = ("fraisier/store/trail.py", "fraisier/engine/within.py")


def audited() -> Iterator[str]:
    """Yield every action of which a row is written."""
    for file in sorted((TOP / "fraisier").rglob("*.py")):
        text = file.read_text()
        if str(file.relative_to(TOP)) in PASSES_ON or not any(f"{w}(" in text for w in WRITES):
            continue
        for call in ast.walk(ast.parse(text)):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            name = "add_audit" if name.endswith(".add_audit") else name
            if name in WRITES:
                action = call.args[WRITES[name]]
                if isinstance(action, ast.Constant):
                    yield str(action.value)
                else:
                    yield from CHOSEN[ast.unparse(action)]


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
