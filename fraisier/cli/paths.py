"""The paths of the control API: what could not be one of ours is not asked for."""

from __future__ import annotations

import re
from urllib.parse import quote

from fraisier.domain.errors import (
    DeploymentNotFound,
    EnvironmentNotFound,
    FraiseNotFound,
    NotFound,
    TokenNotFound,
)
from fraisier.engine.tending import Where


def deployment(name: str) -> str:
    """Return the path of a deployment; raise DeploymentNotFound."""
    hint = "see: fraisier history --limit 20"
    missing = DeploymentNotFound(f'no deployment "{name}"', hint)
    return f"/deployments/{segment(name, missing)}"


def fraise(name: str) -> str:
    """Return the path of a fraise; raise FraiseNotFound."""
    missing = FraiseNotFound(f'no fraise "{name}"', "see: fraisier list")
    return f"/fraises/{segment(name, missing)}"


def environment(fraise: str, name: str) -> str:
    """Return an environment's part of a path; raise EnvironmentNotFound."""
    missing = EnvironmentNotFound(f'fraise "{fraise}" has no environment "{name}"')
    return segment(name, missing)


def place(where: Where) -> str:
    """Return the path of a target; raise NotFound."""
    name = environment(where.fraise, where.environment)
    return f"{fraise(where.fraise)}/environments/{name}"


def token(name: str) -> str:
    """Return the path of a token; raise TokenNotFound."""
    missing = TokenNotFound(f'no token "{name}"', "see: fraisier token list")
    return f"/auth/tokens/{segment(name, missing)}"


def endpoint(name: str) -> str:
    """Return a receiver's part of a path; raise NotFound."""
    missing = NotFound(f'no webhook or notification "{name}"', "see: fraisier webhook list")
    return segment(name, missing)


def segment(name: str, missing: NotFound) -> str:
    """Return a name as a part of a path, or raise where it could not be one of ours."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise missing
    return quote(name, safe="")
