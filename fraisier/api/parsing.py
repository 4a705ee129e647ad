"""Reading requests strictly: what is not plain JSON of the described shape is refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import flask
import marshmallow as ma
from webargs import missing
from webargs.flaskparser import FlaskParser

from fraisier.api.problems import Explained
from fraisier.domain import plain_json

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
        return plain_json.loads(body)
    except plain_json.NotPlain as error:
        raise Explained(HTTPStatus.BAD_REQUEST, str(error)) from None
