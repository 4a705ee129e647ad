"""Everything a run says made fit to keep: plain text, and no secret in any form of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.redaction import (
    SHORTEST_SECRET,
    forms,
    without_first_part,
    without_last_part,
)
from fraisier.domain.plain_json import plain
from fraisier.domain.plain_text import clean, without_sequences
from fraisier.domain.secret import Secret

REDACTED = "[REDACTED]"
#: What stands where the middle of a text was left out: there a part of a secret may be next to it.
_CUT = re.compile(r"(\n\[\.\.\. \d+ (?:bytes|characters) left out \.\.\.\]\n)")


class Redactor:
    """Replaces known secret values in text and in plain data."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without any secret, and with nothing that a terminal would obey.

        A secret is also found where escape sequences stand within it.
        """
        redacted = self._without(text)
        shown = without_sequences(redacted)
        found = self._without(shown)
        return clean(redacted if found == shown else found)

    def data(self, value: Any) -> Any:
        """Return what came from a run as plain data without any secret, keys included."""
        return plain(value, self.text)

    def _without(self, text: str) -> str:
        first, *pieces = _CUT.split(text)
        for mark, piece in zip(pieces[::2], pieces[1::2], strict=True):
            before = without_last_part(first, self._forms)
            first = f"{before}{mark}{without_first_part(piece, self._forms)}"
        for form in self._forms:
            first = first.replace(form, REDACTED)
        return first


def _forms(value: str) -> set[str]:
    lines = {line for line in value.splitlines() if len(line) >= 2 * SHORTEST_SECRET}
    return {*forms(value), *(lines if forms(value) else ())}
