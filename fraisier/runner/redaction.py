"""Everything a run says made fit to keep: plain text, and no secret in any form of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fraisier.domain.plain_json import plain
from fraisier.domain.plain_text import clean
from fraisier.domain.secret import Secret

REDACTED = "[REDACTED]"
#: Shorter values would be found inside ordinary words; they are still never written by us.
SHORTEST = 4


class Redactor:
    """Replaces known secret values in text and in plain data."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without any secret, and without what a terminal would obey.

        Escape sequences may stand within a secret, and characters of them be a part of one.
        """
        redacted = self._without(text)
        shown = clean(redacted)
        return redacted if shown is redacted else self._without(shown)

    def data(self, value: Any) -> Any:
        """Return what came from a run as plain data without any secret, keys included."""
        return plain(value, self.text)

    def _without(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text


def _forms(value: str) -> set[str]:
    if len(value) < SHORTEST:
        return set()
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    lines = {line for line in value.splitlines() if len(line) >= 2 * SHORTEST}
    return {value, quote(value, safe=""), json.dumps(value)[1:-1], encoded, *lines}
