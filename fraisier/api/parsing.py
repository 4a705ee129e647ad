"""Reading requests strictly: what is not plain JSON of the described shape is refused."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, NoReturn

import flask
import marshmallow as ma
from webargs import missing
from webargs.flaskparser import FlaskParser

from fraisier.api.problems import Explained

JSON = "application/json"
#: What is done about names that a schema does not know.
UNKNOWN: dict[str, str | None] = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE}


class StrictParser(FlaskParser):
    """Parses bodies as JSON only, each key once; unknown keys and parameters are errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = UNKNOWN

    def load_json(self, req: flask.Request, schema: ma.Schema) -> Any:
        """Return the body, `missing` where there is none."""
        body = req.get_data(cache=True)
        if not body:
            return missing
        charset = req.mimetype_params.get("charset", "utf-8").lower()
        plain = req.mimetype == JSON and charset == "utf-8"
        if not plain or req.headers.get("Content-Encoding", "identity") != "identity":
            raise Explained(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the body as {JSON}")
        return loads(body)


def loads(body: bytes) -> Any:
    """Return what a body says, or raise a 400: not JSON, a key twice, not a number, too deep."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Explained(
            HTTPStatus.BAD_REQUEST, "the body is not JSON with each key once, in UTF-8"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
