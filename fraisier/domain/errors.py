"""Everything that can be wrong, as one tree.

FraisierError
├── ConfigurationError      the configuration file or a setting; carries every problem found
├── UsageError              an argument that no configuration could make right
├── NotFound
│   ├── FraiseNotFound
│   ├── EnvironmentNotFound
│   ├── DeploymentNotFound
│   ├── TokenNotFound
│   ├── FreezeNotFound
│   └── VersionNotFound
├── Refused                 busy, held, or forbidden by a rule; nothing was recorded
│   ├── KeyReused           an idempotency key that stands for another request
│   ├── KeyInProgress       the first request with an idempotency key has no answer yet
│   ├── AnswerNotKept       it was done, and its answer is one that is not kept
│   ├── Frozen              a freeze is in force
│   └── OutsideWindow       no deploy window is open
├── TooManyStreams      one asker follows too many logs at once
├── Unavailable             this server cannot do it now; later it may
├── Unauthorized            it is not known who asks: no token, or one that is not valid
├── Forbidden               the token may not do this
├── RateLimited             one asker sent too many requests
├── ServerError             the control API gave no answer that can be used
│   └── Unreachable         it gave no answer at all
├── StoreError              the database could not be read or written
│   └── StoreUnavailable    the same call may succeed a moment later
├── LeaseLost               another worker holds the deployment now; this one may write nothing
├── SinkUnavailable         events could not be passed on; later they may
├── RunnerError             Ansible could not be run at all
└── LabError                the lab could not be made or removed

Each has a stable `code`, a `message` for the reader and a `hint`: what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class FraisierError(Exception):
    """Something is wrong and the reader can do something about it."""

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a configuration file: where (file, line, path) and what."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigurationError(FraisierError):
    """The configuration cannot be used; every problem is reported at once."""

    code = "configuration_invalid"

    def __init__(self, problems: Sequence[Problem], hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint)
        self.problems = tuple(problems)


class UsageError(FraisierError):
    """The command or request cannot mean anything as it was written."""

    code = "invalid_arguments"


class NotFound(FraisierError):
    """What was named does not exist."""

    code = "not_found"


class FraiseNotFound(NotFound):
    """No such fraise is configured."""

    code = "fraise_not_found"


class EnvironmentNotFound(NotFound):
    """The fraise has no such environment."""

    code = "environment_not_found"


class DeploymentNotFound(NotFound):
    """No deployment has this id."""

    code = "deployment_not_found"


class TokenNotFound(NotFound):
    """No token has this id."""

    code = "token_not_found"


class FreezeNotFound(NotFound):
    """No freeze has this id."""

    code = "freeze_not_found"


class VersionNotFound(NotFound):
    """The repository has no such branch, tag or commit."""

    code = "version_not_found"


class Refused(FraisierError):
    """The request is understood and not allowed now."""

    code = "refused"


class Frozen(Refused):
    """A freeze is in force, and nothing begins there until it ends."""

    code = "frozen"


class OutsideWindow(Refused):
    """No deploy window of the target is open."""

    code = "outside_deploy_window"


class KeyReused(Refused):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class KeyInProgress(Refused):
    """The first request with this idempotency key is still worked on, or its process died."""

    code = "idempotency_key_in_progress"


class AnswerNotKept(Refused):
    """A request with this idempotency key was done; its answer held a secret or was too long."""

    code = "answer_not_kept"


class Unauthorized(FraisierError):
    """A valid token is needed."""

    code = "unauthorized"


class Forbidden(FraisierError):
    """The token does not allow this."""

    code = "forbidden"


class RateLimited(FraisierError):
    """One asker sent more requests than may come in a minute; after `seconds` they may again."""

    code = "rate_limited"

    def __init__(self, message: str, hint: str = "", seconds: int = 1, limit: int = 0) -> None:
        super().__init__(message, hint)
        self.seconds = seconds
        self.limit = limit


class ServerError(FraisierError):
    """The control API gave no answer that can be used."""

    code = "server_failed"


class Unreachable(ServerError):
    """The control API gave no answer."""

    code = "server_unreachable"


class Unavailable(FraisierError):
    """The server cannot do this now: it is stopping, or has too much to do."""

    code = "unavailable"


class TooManyStreams(FraisierError):
    """One asker follows too many logs at once."""

    code = "too_many_streams"


class StoreError(FraisierError):
    """The database could not be read or written."""

    code = "store_failed"


class StoreUnavailable(StoreError):
    """The database cannot be reached, or was busy with others; later it may work."""


class LeaseLost(FraisierError):
    """Another worker has taken the deployment over, since this one had not renewed its lease."""

    code = "lease_lost"


class SinkUnavailable(FraisierError):
    """A receiver of events could not be reached, or did not take them."""

    code = "sink_unavailable"


class RunnerError(FraisierError):
    """Ansible could not be run."""

    code = "runner_failed"


class LabError(FraisierError):
    """The lab could not do what was asked."""

    code = "lab_failed"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "hosts"?` for a near miss, else the empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""
