"""What the routes share: one decorator that says all about an operation, and names in paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema
from werkzeug.routing import Map, UnicodeConverter

from fraisier.api.asks import NAME_LENGTH, KeyHeader
from fraisier.api.foreign import Foreign
from fraisier.api.parsing import StrictParser
from fraisier.domain.token import Scope

View = TypeVar("View", bound=Callable[..., Any])
Shape = type[Schema] | None


class Name(UnicodeConverter):
    """A name or an id in a path: one part of it, of bounded length."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, maxlength=NAME_LENGTH)


class Routes(Blueprint):  # type: ignore[misc]
    """A blueprint that parses requests strictly, and whose routes say which scope they need."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *named: Any, foreign: Foreign | None = None, **more: Any) -> None:
        """Make one whose routes treat what is foreign to a token so, where they do not say."""
        super().__init__(*named, **more)
        self._foreign = foreign

    def operation(
        self,
        method: str,
        rule: str,
        scope: Scope | None,
        answer: Shape = None,
        status: int = 200,
        *,
        foreign: Foreign | None = None,
        body: Shape = None,
        body_required: bool = True,
        query: Shape = None,
        keyed: bool = False,
        also: Mapping[int, tuple[type[Schema], str]] | None = None,
        **described: Any,
    ) -> Callable[[View], View]:
        """Add a view as an operation; `scope` None needs no token, as `access.OPEN` must say too.

        `foreign` says what a token gets that reaches some targets only, where it is not as with the
        other routes here. Where nothing is said such a token is refused, and a test fails.

        The view is given what `body`, then `query`, then (where `keyed`) the Idempotency-Key said,
        as dicts, and then the parts of the path. `also` describes its other answers.
        """
        read = [
            (body, "json", {"required": body_required}),
            (query, "query", {}),
            (KeyHeader if keyed else None, "headers", {}),
        ]

        def add(view: View) -> View:
            wrapped: Any = self.response(status, answer, **described)(view)
            for other, (schema, said) in (also or {}).items():
                wrapped = self.alt_response(other, schema=schema, description=said)(wrapped)
            for asked, location, more in reversed(read):
                if asked is not None:
                    wrapped = self.arguments(asked, location=location, **more)(wrapped)
            if scope is not None:
                wrapped = self.doc(security=[{"token": []}], **{"x-scope": scope.value})(wrapped)
                wrapped.scope, wrapped.foreign = scope, foreign or self._foreign
            self.route(rule, methods=[method])(wrapped)
            return view

        return add
