"""What hostile or broken hosts answer: arbitrary JSON, and text that terminals obey."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

import ansible_collections.fraisier.deploy as collection
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.runner.translation import Translation
from support.fakes import ScriptedRunner

#: Escape sequences, bidi controls, NUL, half a character, all kinds of line breaks.
HOSTILE = (
    "\x1b[2K\x1b[32mOK\x1b[0m\x1b]52;c;ZWNobw==\x07\x1b]0;title\x1b\\\x9b31m\x00\u202etxt\u2066"
    "\ud800\r\nsecond\rthird\u2028fourth\x85fifth\x1b]52;c;open"
)
#: What must never reach a terminal, a log or a record.
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]"
)

_NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([10**30, -(10**30), 2**63, 2**63 - 1, -1, 10**400]),
    st.floats(),
)
_TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([HOSTILE, "x" * 70, "x" * 300, "7"]))
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_KEYS = st.sampled_from(
    ["id", "version", "status", "number", "good", "passed", "seconds", "name", "step", "text", "at"]
)


def nested(depth: int, value: Any = None) -> Any:
    """Return lists in lists."""
    for _ in range(depth):
        value = [value]
    return value


ANY_JSON = st.one_of(
    st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.one_of(_KEYS, st.text(max_size=5)), inner, max_size=4),
        ),
        max_leaves=8,
    ),
    st.sampled_from([nested(100), {"number": nested(60)}]),
)


@cache
def documented() -> Mapping[str, tuple[str, ...]]:
    """Return the fields that each module of the collection documents that it returns."""
    folder = Path(next(iter(collection.__path__))) / "plugins/modules"
    found = {}
    for file in sorted(folder.glob("*.py")):
        text = re.search(r'^RETURN = r"""\n(.*?)^"""', file.read_text(), re.M | re.S)
        assert text is not None, file
        found[file.stem] = tuple(yaml.safe_load(text[1]))
    return found


def event(module: str, result: Any, failed: bool = False, host: str = "web-1") -> dict[str, Any]:
    """Return the event of a task that ran a module of the collection."""
    data = {"host": host, "play": "p", "task": "Deploy", "res": result,
            "task_action": f"fraisier.deploy.{module}"}  # fmt: skip
    return {"event": "runner_on_failed" if failed else "runner_on_ok", "event_data": data}


class Answering(ScriptedRunner):
    """Hosts whose answers go the way of real ones: `answer` returns the events of one host."""

    def __init__(self, answer: Callable[[Work, str], Sequence[dict[str, Any]]]) -> None:
        super().__init__()
        self.answer = answer

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Pass what each host says through the translation."""
        self.works.append(work)
        translation = Translation(work)
        for host in work.hosts:
            begun = {"event": "runner_on_start", "event_data": {"host": host.name}}
            for one in [begun, *self.answer(work, host.name)]:
                on_facts(translation.facts(one))
        return translation.outcome("done")
