"""Settings of the program itself, from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fraisier.config.database import database_problem, pool_problem, url_for
from fraisier.config.labels import label_problem
from fraisier.config.networks import Network, networks_of, networks_problem
from fraisier.domain.amount import BYTES, amount
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.nats_url import nats_problem
from fraisier.domain.push import MOST_BYTES
from fraisier.domain.rate import CHANGES, FAILURES, REQUESTS
from fraisier.domain.worker import LEASE_SECONDS

#: Connections of one process to its database, where nothing is set.
CONNECTIONS = 20
#: A limit of requests in a minute; none is so small that a client cannot work.
LEAST_RATE, MOST_RATE = 10, 1_000_000
SHORTEST_LEASE, LONGEST_LEASE = 3, 3600
#: The limit of a push; git hosts send no more than 25 MiB.
SMALLEST_PUSH, LARGEST_PUSH = 64 << 10, 25 << 20


@dataclass(frozen=True)
class Settings:
    """How this process runs. `config` None: looked for; `database_url` None: beside `config`.

    `token` is what a client shows to a server; None means none is set. `nats_url` names the NATS
    servers, separated by commas; `region` and `network` are the labels of what works here. `lease`:
    a worker that has not been heard of for so many seconds is dead. `database_pool` is how many
    connections to the database one process may have. `allowed_networks` are the private ones that
    outgoing requests may reach; `rate_limit` and `rate_limit_changes` are how many requests one
    token may send in a minute; `webhook_max_bytes` is the largest push that is read.
    """

    config: str | None = None
    database_url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    nats_url: str | None = field(default=None, repr=False)
    region: str | None = None
    network: str | None = None
    lease: float = LEASE_SECONDS
    database_pool: int = CONNECTIONS
    allowed_networks: tuple[Network, ...] = ()
    rate_limit: int = REQUESTS
    rate_limit_changes: int = CHANGES
    rate_limit_failures: int = FAILURES
    webhook_max_bytes: int = MOST_BYTES

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings, or raise ConfigurationError with every bad one. Empty means unset."""
        given = {name: environ.get(f"FRAISIER_{name}") or None for name in _READ}
        problems = [
            Problem("environment", 0, f"FRAISIER_{name}", problem)
            for name, check in _CHECKS.items()
            if (value := given[name]) is not None and (problem := check(value))
        ]
        if problems:
            raise ConfigurationError(problems, "correct or unset it")
        return cls(
            config=given["CONFIG"],
            database_url=given["DATABASE_URL"],
            token=given["TOKEN"],
            nats_url=given["NATS_URL"],
            region=given["REGION"],
            network=given["NETWORK"],
            database_pool=int(given["DATABASE_POOL"] or CONNECTIONS),
            lease=float(given["LEASE"] or LEASE_SECONDS),
            allowed_networks=networks_of(given["ALLOWED_NETWORKS"]),
            rate_limit=int(given["RATE_LIMIT"] or REQUESTS),
            rate_limit_changes=int(given["RATE_LIMIT_CHANGES"] or CHANGES),
            rate_limit_failures=int(given["RATE_LIMIT_FAILURES"] or FAILURES),
            webhook_max_bytes=amount(given["WEBHOOK_MAX_BYTES"] or "", BYTES) or MOST_BYTES,
        )

    def database_for(self, config_file: str | Path) -> str:
        """Return the database's URL, its path absolute: relative ones start beside the file."""
        return url_for(self.database_url, config_file)


def _token_problem(token: str) -> str | None:
    plain = re.fullmatch(r"[\x21-\x7e]{1,1000}", token)
    return None if plain else "a token is one word of plain characters"


def _lease_problem(seconds: str) -> str | None:
    plain = re.fullmatch(r"[0-9]{1,4}", seconds)
    fine = plain and SHORTEST_LEASE <= int(seconds) <= LONGEST_LEASE
    return None if fine else f"whole seconds, from {SHORTEST_LEASE} to {LONGEST_LEASE}"


def _rate_problem(number: str) -> str | None:
    plain = re.fullmatch(r"[0-9]{1,7}", number)
    fine = plain and LEAST_RATE <= int(number) <= MOST_RATE
    return None if fine else f"requests in a minute, from {LEAST_RATE} to {MOST_RATE}"


def _push_problem(size: str) -> str | None:
    found = amount(size, BYTES)
    fine = found is not None and SMALLEST_PUSH <= found <= LARGEST_PUSH
    return None if fine else "a size as 4MiB, from 64KiB to 25MiB"


_READ = (
    "CONFIG",
    "DATABASE_URL",
    "TOKEN",
    "NATS_URL",
    "REGION",
    "NETWORK",
    "LEASE",
    "DATABASE_POOL",
    "ALLOWED_NETWORKS",
    "RATE_LIMIT",
    "RATE_LIMIT_CHANGES",
    "RATE_LIMIT_FAILURES",
    "WEBHOOK_MAX_BYTES",
)
_CHECKS = {
    "DATABASE_URL": database_problem,
    "DATABASE_POOL": pool_problem,
    "TOKEN": _token_problem,
    "NATS_URL": nats_problem,
    "REGION": label_problem,
    "NETWORK": label_problem,
    "LEASE": _lease_problem,
    "ALLOWED_NETWORKS": networks_problem,
    "RATE_LIMIT": _rate_problem,
    "RATE_LIMIT_CHANGES": _rate_problem,
    "RATE_LIMIT_FAILURES": _rate_problem,
    "WEBHOOK_MAX_BYTES": _push_problem,
}
