"""What the fuzzer of the API checks besides its own checks."""

from __future__ import annotations

import requests
import schemathesis
from schemathesis import GenerationMode


@schemathesis.check
def what_the_document_allows_has_the_right_shape(
    _context: schemathesis.CheckContext, answer: requests.Response, case: schemathesis.Case
) -> None:
    """Refuse a refusal by shape where the document allows it.

    One by meaning is right: a version that the repository has not, a strategy that needs a proxy.
    """
    allowed = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if allowed and answer.status_code == 422:
        assert "errors" not in answer.json(), answer.text


@schemathesis.check
def nothing_is_told_of_the_machine(
    _context: schemathesis.CheckContext, answer: requests.Response, _case: schemathesis.Case
) -> None:
    """Refuse an answer that shows how the server is made."""
    for word in ("Traceback", "sqlalchemy", "site-packages", "psycopg2", "pymysql"):
        assert word not in answer.text, answer.text[:500]
