"""Settings of NATS, from the environment: where it is, who we are there, how much it keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fraisier.domain.amount import BYTES, SECONDS, amount
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.nats_url import nats_problem, nats_servers
from fraisier.nats.security import Security
from fraisier.nats.streams import Limits

URL = "FRAISIER_NATS_URL"
CREDENTIALS, CA = "FRAISIER_NATS_CREDENTIALS", "FRAISIER_NATS_TLS_CA"
CERT, KEY = "FRAISIER_NATS_TLS_CERT", "FRAISIER_NATS_TLS_KEY"
MAX_AGE, MAX_BYTES = "FRAISIER_NATS_MAX_AGE", "FRAISIER_NATS_MAX_BYTES"
REPLICAS, DISCARD = "FRAISIER_NATS_REPLICAS", "FRAISIER_NATS_DISCARD"
Check = Callable[[str], str | None]
_FILES = (CREDENTIALS, CA, CERT, KEY)


@dataclass(frozen=True)
class NatsSettings:
    """How to reach NATS; `servers` is empty where it is off. `url` may hold a secret."""

    url: str | None = field(default=None, repr=False)
    security: Security = field(default_factory=Security)
    limits: Limits = field(default_factory=Limits)

    @property
    def servers(self) -> tuple[str, ...]:
        """Return the URLs of the servers."""
        return nats_servers(self.url)

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str] = os.environ, url: str | None = None
    ) -> NatsSettings:
        """Read the settings, or raise ConfigurationError with every bad one.

        Empty means unset; `url` wins over the environment's.
        """
        given = {name: environ.get(name) or None for name in _CHECKS}
        given[URL] = url or given[URL]
        problems = [
            Problem("environment", 0, name, problem)
            for name, check in _CHECKS.items()
            if (value := given[name]) is not None and (problem := check(value))
        ]
        if given[KEY] and not given[CERT]:
            alone = f"a key without its certificate, which {CERT} names"
            problems.append(Problem("environment", 0, KEY, alone))
        if problems:
            raise ConfigurationError(problems, "correct or unset it")
        files = [given[name] for name in _FILES]
        return cls(given[URL], Security(*files), _limits(given))


def _limits(given: Mapping[str, str | None]) -> Limits:
    age, size, replicas = given[MAX_AGE], given[MAX_BYTES], given[REPLICAS]
    return Limits(
        max_age=None if age is None else float(amount(age, SECONDS) or 0),
        max_bytes=None if size is None else amount(size, BYTES),
        replicas=None if replicas is None else int(replicas),
        discard=given[DISCARD],
    )


def _file_problem(path: str) -> str | None:
    try:
        with Path(path).open("rb"):
            return None
    except (OSError, ValueError) as error:
        return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


def _within(
    low: int, high: int, units: Mapping[str, int], rule: str
) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        found = amount(text, units)
        fine = found is not None and (found == 0 or low <= found <= high)
        return None if fine else rule

    return problem


_AGE = "an age as 12h, 30d or 90m, from 5m to 36500d; 0 keeps messages for ever"
_SIZE = "a size as 256MiB or 1GiB, at least 1MiB; 0 is without a limit"
_CHECKS: Mapping[str, Check] = {
    URL: nats_problem,
    **dict.fromkeys(_FILES, _file_problem),
    MAX_AGE: _within(300, 36_500 * 86_400, SECONDS, _AGE),
    MAX_BYTES: _within(2**20, 2**60, BYTES, _SIZE),
    REPLICAS: lambda text: None if text in ("1", "3", "5") else "1, 3 or 5",
    DISCARD: lambda text: None if text in ("old", "new") else "old or new",
}
