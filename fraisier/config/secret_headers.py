"""Takes the headers that are secrets out of health checks and smoke tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fraisier.domain.catalogue import Json
from fraisier.domain.secret import HEADERS, SecretReference

#: The name of a header (RFC 9110, section 5.6.2).
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


def header_references(config: Mapping[str, Any], environment: Mapping[str, Any]) -> Json:
    """Return the references in the headers of an environment's requests, by purpose.

    The purposes are `header:health_check/NAME`, and `header:smoke/NUMBER/NAME` from 0.
    """
    return {
        f"{HEADERS}{place}/{name}": value
        for place, request in _requests(config, environment)
        for name, value in headers_of(request).items()
        if SecretReference.parse(value) is not None
    }


def without_secret_headers(request: Any) -> Any:
    """Return a health check or smoke test as it was written, without the headers that are secrets.

    What is no mapping, or has none, is returned as it is.
    """
    given = headers_of(request)
    plain = {name: each for name, each in given.items() if SecretReference.parse(each) is None}
    return request if len(plain) == len(given) else {**request, "headers": plain}


def headers_of(request: Any) -> Mapping[str, Any]:
    """Return the headers of a request as they are written; none where there are none."""
    headers = request.get("headers") if isinstance(request, Mapping) else None
    return headers if isinstance(headers, Mapping) else {}


def _requests(
    config: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    yield "health_check", config.get("health_check")
    for number, test in enumerate(environment.get("smoke") or ()):
        yield f"smoke/{number}", test
