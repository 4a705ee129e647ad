"""What the shapes of answers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, fields

from fraisier.api.asks import said


class AsTold(Schema):
    """What hosts and Ansible describe; Fraisier passes it on, and there may be more of it."""

    class Meta:
        unknown = INCLUDE


def text(meaning: str = "", null: bool = False) -> fields.String:
    """Return a string that is always there; `null`: it may be null."""
    return fields.String(required=True, allow_none=null, **said(meaning))


def moment(meaning: str, null: bool = False, key: str | None = None) -> fields.String:
    """Return a time, as ISO 8601 in UTC; `key`: its name where that is a word of Python."""
    described = {"description": meaning, "format": "date-time"}
    return fields.String(required=True, allow_none=null, data_key=key, metadata={**described})


def list_of(of: Any) -> fields.List[Any]:
    """Return a list that is always there."""
    return fields.List(of, required=True)


def nested(schema: type[Schema]) -> fields.Nested:
    """Return an object that is always there."""
    return fields.Nested(schema, required=True)


def page_of(noun: str, item: type[Schema], name: str = "") -> type[Schema]:
    """Return the shape of a page of a list; `name`: what it is called, if not after its noun."""
    numbers: Mapping[str, Any] = {
        "total": fields.Integer(required=True, **said("How many there are in all.")),
        "total_exact": fields.Boolean(
            required=True, **said("False where there are more than `total`: it is not counted on.")
        ),
        "limit": fields.Integer(required=True),
        "offset": fields.Integer(required=True, **said("How many come before these.")),
        "next_cursor": text("The `cursor` of the next page; null: this is the last.", null=True),
    }
    return type(
        name or f"{noun.capitalize()}Page",
        (Schema,),
        {noun: list_of(fields.Nested(item)), **numbers},
    )
