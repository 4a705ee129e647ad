"""Idempotency-Key: every POST is done once for each key, and answered again as it was.

Deployments remember their keys themselves, in the transaction that records them.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from flask import Flask, Response, current_app, request

from fraisier.api.access import who
from fraisier.domain import plain_json
from fraisier.domain.errors import StoreError
from fraisier.domain.idempotency import Answer, Asked, Held, KeyStore
from fraisier.domain.token import PREFIX

NAME = "fraisier.keys"
#: An answer of more characters is not kept, nor one that holds the secret of a token.
LONGEST = 200_000
SECRET = re.compile(rf"{PREFIX}[0-9A-Za-z]{{20,}}")
View = Callable[..., Any]

log = logging.getLogger("fraisier.api")


def remember(app: Flask, keys: KeyStore) -> None:
    """Let an application remember what it answered."""
    app.extensions[NAME] = keys


def once(view: View) -> View:
    """Return a view whose last positional argument is the key, which is done once for each.

    What is refused or fails has changed nothing: its key is free again at once.
    """

    @wraps(view)
    def asked_once(*given: Any, **path: Any) -> Any:
        *asked, said = given
        if said["key"] is None:
            return view(*asked, **path)
        keys: KeyStore = current_app.extensions[NAME]
        held = keys.take_key(Asked(who(), said["key"], _fingerprint()))
        if isinstance(held, Answer):
            return _again(held)
        return _kept(keys, held, lambda: view(*asked, **path))

    return asked_once


def _kept(keys: KeyStore, held: Held, answered: Callable[[], Any]) -> Response:
    try:
        answer = current_app.make_response(answered())
    except Exception:
        _try("release", lambda: keys.release_key(held))
        raise
    if answer.status_code >= 400:
        _try("release", lambda: keys.release_key(held))
    else:
        _try("keep", lambda: keys.keep_answer(held, _answer(answer)))
    return answer


def _try(what: str, change: Callable[[], None]) -> None:
    """Make a change that the answer does not depend on; without it the key is free later."""
    try:
        change()
    except StoreError as error:
        log.error("could not %s an idempotency key: %s", what, error)


def _answer(answer: Response) -> Answer:
    text = answer.get_data(as_text=True) if not answer.is_streamed else None
    if text is not None and (len(text) > LONGEST or SECRET.search(text)):
        text = None
    return Answer(answer.status_code, text, answer.headers.get("Location"))


def _again(kept: Answer) -> Response:
    answer = Response(kept.body, kept.status, content_type="application/json")
    if kept.location is not None:
        answer.headers["Location"] = kept.location
    return answer


def _fingerprint() -> str:
    """Return what stands for a request: its route, its parameters, and what its body says."""
    body = request.get_data(cache=True)
    said = json.dumps(plain_json.loads(body), sort_keys=True) if body else ""
    asked = (request.method, request.path, request.query_string.decode("latin-1"), said)
    return sha256("\n".join(asked).encode("utf-8", "surrogatepass")).hexdigest()
