# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What the answers of Coolify's API mean, in terms of what to do about them."""

from __future__ import annotations

from typing import Any, Mapping

from .coolify_values import clean, parse
from .failure import Failure
from .redaction import shorten

#: Faults that may be over in a moment.
PASSING = ("coolify_unreachable", "coolify_silent", "coolify_error", "coolify_unexpected")
#: After these a request that changes something may have been taken, or not.
OPEN = ("coolify_silent", "coolify_error", "coolify_unexpected")
#: After these it was surely not taken.
REFUSED = (
    "coolify_refused", "coolify_forbidden", "coolify_not_found", "coolify_limited",
    "coolify_redirects", "coolify_tls", "coolify_unreachable", "token_refused",
)  # fmt: skip
PAUSE = 5.0  # seconds to wait after a 429 that names no time
SAID = 300  # characters of what Coolify says that are repeated


def wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which a request may be sent again; None: it was not limited."""
    if status != 429:
        return None
    named = headers.get("retry-after", "")
    return float(named) if named.isascii() and named.isdigit() else PAUSE


def read(status: int, headers: Mapping[str, str], text: bytes, what: str) -> Any:
    """Return the JSON of a good answer; raises the Failure that another one is."""
    if 200 <= status < 300:
        try:
            return parse(text)
        except ValueError:
            raise Failure(
                "coolify_unexpected",
                f"the answer to {what} is no JSON that can be trusted, or was cut off",
                "is the url that of Coolify itself, and not of something before it?",
            ) from None
    raise _refusal(status, headers, said(text), what)


def said(text: bytes) -> str:
    """Return Coolify's own sentence and which fields it complains of; never any values."""
    try:
        data = parse(text)
    except ValueError:
        return ""
    if not isinstance(data, Mapping):
        return ""
    fields = data.get("errors")
    named = f" ({', '.join(sorted(fields))})" if isinstance(fields, Mapping) else ""
    message = data.get("message")
    words = " ".join(clean((message if isinstance(message, str) else "") + named).split())
    return shorten(words, SAID)


def _refusal(status: int, headers: Mapping[str, str], why: str, what: str) -> Failure:
    told = f": {why}" if why else ""
    if status == 401 or (status == 400 and why.startswith("Invalid token")):
        return Failure(
            "token_refused",
            f"Coolify does not know the token{told}",
            "make one in Coolify (Keys & Tokens, API tokens), and see what its reference points to",
        )
    if status == 403:
        return Failure(
            "coolify_forbidden",
            f"Coolify forbids {what}{told}",
            "the token needs the abilities read, write and deploy; the API must be enabled and "
            "this address allowed (Settings)",
        )
    if status == 404:
        return Failure(
            "coolify_not_found",
            f"Coolify knows nothing for {what}{told}",
            "check application_uuid or service_uuid, the team of the token, and the url",
        )
    if status == 429:
        wait = clean(headers.get("retry-after", "?"))[:SAID]
        return Failure(
            "coolify_limited",
            f"Coolify's rate limit was reached at {what}; it may be asked again in {wait} s{told}",
            "wait, or raise poll_interval",
        )
    if 300 <= status < 400:
        return Failure(
            "coolify_redirects",
            f"Coolify answers {what} with a redirect ({status}), which the token does not follow",
            "write the url as it is reached in the end, https and all",
        )
    if status >= 500:
        return Failure(
            "coolify_error",
            f"Coolify answered {what} with HTTP {status}{told}",
            "see Coolify's own log; try again",
        )
    return Failure(
        "coolify_refused", f"Coolify refused {what} with HTTP {status}{told}", "see its sentence"
    )


def unreachable(url: str, why: str) -> Failure:
    """Return the Failure of a Coolify to which no connection was made: nothing was asked."""
    return Failure(
        "coolify_unreachable",
        f"Coolify does not answer at {url}: {why}",
        "check the url, and that Coolify is up and can be reached from this machine",
    )


def silent(url: str, why: str) -> Failure:
    """Return the Failure of a request that was sent and got no answer."""
    return Failure(
        "coolify_silent",
        f"Coolify at {url} broke off: {why}",
        "see whether Coolify is well; raise request_timeout where it is slow",
    )


def no_tls(url: str, why: str) -> Failure:
    """Return the Failure of a connection that could not be secured."""
    return Failure(
        "coolify_tls",
        f"the connection to {url} cannot be trusted: {why}",
        "name the authority of its certificate as ca_file; check that the url is https",
    )
