"""Secrets taken out of everything a run says, in each form they may be met in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

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
        """Return the text without any secret."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def data(self, value: Any) -> Any:
        """Return plain data without any secret, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    if len(value) < SHORTEST:
        return set()
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    lines = {line for line in value.splitlines() if len(line) >= 2 * SHORTEST}
    return {value, quote(value, safe=""), json.dumps(value)[1:-1], encoded, *lines}
