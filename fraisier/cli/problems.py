"""What goes wrong between client and server, as the errors that the same command has alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from fraisier.cli.harmless import harmless
from fraisier.domain.errors import (
    ConfigurationError,
    Forbidden,
    FraisierError,
    ServerError,
    Unauthorized,
    Unreachable,
)

SIGN_IN = "set FRAISIER_TOKEN; on the server, fraisier token create makes one"
STATUSES: dict[int, tuple[type[FraisierError], str, str]] = {
    401: (Unauthorized, "the server does not know this token", SIGN_IN),
    403: (
        Forbidden,
        "this token may not do that",
        "use one with the scope it needs",
    ),
}
IS_IT_UP = "is the server up (fraisier serve), and is this its URL?"
OWN_AUTHORITY = "for a certificate authority of your own, name its file in REQUESTS_CA_BUNDLE"
LATE = (requests.Timeout, urllib3.exceptions.TimeoutError)
NEVER_SENT = (NewConnectionError, ConnectTimeoutError)
MAY_BE_DONE = "whether it was done is not known; look: fraisier history, fraisier status"


def refusal(url: str, status: int, headers: Mapping[str, str], data: object) -> FraisierError:
    """Return the error that an answer stands for. `data` is its body, where that was JSON."""
    problem = data if isinstance(data, dict) else {}
    if isinstance(problem.get("code"), str) and status >= 400:
        return _told(status, problem)
    if status in STATUSES:
        kind, message, hint = STATUSES[status]
        return kind(message, hint)
    if 300 <= status < 400:
        where = headers.get("Location", "another place")
        return ServerError(
            f"{url} sends its callers on to {harmless(where)}", "give that URL to --server"
        )
    if status >= 500:
        return ServerError(f"{url} answered {status} and no reason", "look at the server's log")
    return ServerError(
        f"{url} does not answer as a Fraisier server does (HTTP {status})",
        "is that its URL, and is its version the same as fraisier --version here?",
    )


def _told(status: int, problem: Mapping[str, Any]) -> FraisierError:
    code = problem["code"]
    _, _, hint = STATUSES.get(status, (None, "", ""))
    found = problem.get("errors")
    wrong = [
        f"{each.get('path', '')}: {each.get('message', '')}"
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict)
    ]
    said = "\n".join(wrong) or str(problem.get("detail") or problem.get("title") or code)
    kind = KINDS.get(code) or STATUSES.get(status, (FraisierError, "", ""))[0]
    error = kind(harmless(said), harmless(str(problem.get("hint") or hint)))
    error.code = code
    return error


def fault(url: str, error: requests.RequestException, *, changes: bool) -> ServerError:
    """Return why a server gave no answer. `changes`: it was asked to do something."""
    causes = list(_causes(error))
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    late = any(isinstance(cause, LATE) for cause in causes)
    reason = (said or ["it took too long" if late else "the connection was lost"])[-1]
    if isinstance(error, requests.exceptions.SSLError):
        distrust = getattr(causes[-1], "verify_message", "") or reason
        return ServerError(f"{url} cannot be trusted: {distrust}", OWN_AUTHORITY)
    arrived = not any(isinstance(cause, NEVER_SENT) for cause in causes)
    return Unreachable(
        f"no answer from {url}: {reason}",
        MAY_BE_DONE if changes and arrived else IS_IT_UP,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from, to the first cause."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kinds(kind: type[FraisierError] = FraisierError) -> Iterator[type[FraisierError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


#: Code -> the error that stands for it here. What is wrong with a configuration was told as text.
KINDS = {
    kind.code: kind
    for kind in _kinds()
    if "code" in vars(kind) and not issubclass(kind, ConfigurationError)
}
