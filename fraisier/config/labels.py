"""What a worker says of itself, as settings and options tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fraisier.config.grammar import LABEL_PATTERN, LABEL_RULE
from fraisier.domain.errors import UsageError

LABELS = ("region", "network")


def label_problem(value: str) -> str | None:
    """Return what is wrong with the value of a label, if anything."""
    return None if re.fullmatch(LABEL_PATTERN, value) else LABEL_RULE


def labels_of(given: Sequence[str], defaults: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels written as `region=eu`, over their defaults; raise UsageError."""
    found = {kind: value for kind, value in defaults.items() if value}
    for text in given:
        kind, _, value = text.partition("=")
        problem = label_problem(value) if kind in LABELS else f"labels are {' and '.join(LABELS)}"
        if problem:
            raise UsageError(
                f'--label "{text}" is no label: {problem}', "write --label region=eu-west-1"
            )
        found[kind] = value
    return found
