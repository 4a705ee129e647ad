"""A secret is found in every form it may be met in."""

from __future__ import annotations

import base64
import json
import pickle
from urllib.parse import quote

import pytest

from fraisier.domain.secret import Secret
from fraisier.runner.redaction import Redactor

VALUE = 'p@ss "word"/é'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        json.dumps(VALUE)[1:-1],
    ],
)
def test_each_form_is_taken_out(form: str) -> None:
    redactor = Redactor([Secret(VALUE)])
    found = redactor.data({"a": [f"x {form} y"], form: 1})
    assert form not in str(found)
    assert "[REDACTED]" in found["a"][0]


def test_a_secret_cannot_be_printed_formatted_or_serialised() -> None:
    secret = Secret(VALUE)
    assert f"{secret} {secret!r} {secret:>20} {[secret]}".count("[REDACTED]") == 4
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_value_so_short_that_words_contain_it_is_left() -> None:
    assert Redactor([Secret("a")]).text("a banana") == "a banana"
