"""The key `monitoring` of an environment: how often what is deployed there is looked at."""

from __future__ import annotations

from fraisier.config.grammar import LONGEST, mapping_of
from fraisier.domain.catalogue import Json
from fraisier.domain.health import Monitoring

MONITORING = mapping_of(
    {
        "interval": {
            "description": "Seconds between two looks at the health of what is deployed; 0 is "
            "never. Each is one run of Ansible for all hosts of the target.",
            "type": "number",
            "minimum": 0,
            "maximum": LONGEST,
            "default": 0,
        },
        "failure_threshold": {
            "description": "After so many looks in a row that found it not well, a host counts as "
            "such and that is told.",
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "default": 3,
        },
        "timeout": {
            "description": "Seconds that one health check may take in a look, if not less by its "
            "own timeout.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 300,
            "default": 10,
        },
    }
)


def monitoring_of(environment: Json) -> Monitoring:
    """Return how an environment is looked at."""
    return Monitoring(**(environment.get("monitoring") or {}))
