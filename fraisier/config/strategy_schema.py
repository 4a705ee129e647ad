"""The schema of `strategy_config`: the pace, a canary's steps and what they measure."""

from __future__ import annotations

from fraisier.config.grammar import LONGEST, mapping_of
from fraisier.domain.catalogue import Json

ANALYSIS_TYPES = ("proxy", "http", "exec", "prometheus")
MEASURES = ("error_rate", "latency")
_LIMIT: Json = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_CONDITION: Json = {"type": "string", "minLength": 1, "maxLength": 500}
_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 2000}

CANARY_STEP = mapping_of(
    {
        "weight": {
            "description": "Percent of the requests that the new release gets in this step.",
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
        },
        "pause": {
            "description": "Seconds that the step lasts and is measured; or `resume`: until "
            "`fraisier resume` says so.",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
                {"type": "string", "const": "resume"},
            ],
        },
    },
    required=("weight", "pause"),
)

ANALYSIS = mapping_of(
    {
        "name": {
            "description": "What to call it in reports.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            "patternErrorMessage": "a name of letters, digits, dots, - and _",
        },
        "type": {
            "description": "Where the number comes from: the proxy's own figures, a request to the "
            "new release, a command on the host, or a Prometheus server.",
            "enum": list(ANALYSIS_TYPES),
        },
        "measure": {
            "description": "For proxy: `error_rate`, the share of the requests that failed (0 to "
            "1), or `latency`, the mean seconds of an answer.",
            "enum": list(MEASURES),
        },
        "url": {
            "description": "For http, the URL to ask on the host, at the new release's own port; "
            "for prometheus, the server's.",
            **_TEXT,
        },
        "host": {"description": "For http, the name to ask for (the Host header).", **_TEXT},
        "query": {"description": "For prometheus, the PromQL query.", **_TEXT},
        "command": {
            "description": "For exec, the program and its arguments; exit status 0 is well.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "string"},
        },
        "interval": {
            "description": "Seconds between two measurements.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST,
            "default": 5,
        },
        "count": {
            "description": "How many measurements to make; as many as the pause lets it when left "
            "out.",
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000_000,
        },
        "success_condition": {
            "description": "When a measurement is well, such as `result <= 0.01`.",
            **_CONDITION,
        },
        "failure_condition": {
            "description": "When a measurement is bad; what is neither is inconclusive.",
            **_CONDITION,
        },
        "failure_limit": {
            "description": "How many bad measurements are borne; one more fails the analysis.",
            **_LIMIT,
            "default": 0,
        },
        "consecutive_success_limit": {
            "description": "So many good measurements in a row end the analysis as successful.",
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000_000,
        },
        "inconclusive_limit": {
            "description": "How many inconclusive measurements are borne; one more holds the "
            "deployment until `fraisier resume` or `fraisier cancel`.",
            **_LIMIT,
            "default": 0,
        },
        "timeout": {
            "description": "Seconds that one measurement may take.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST,
            "default": 10,
        },
    },
    required=("name", "type"),
)

STRATEGY_CONFIG = mapping_of(
    {
        "max_parallel": {
            "description": "How many hosts may change at once: a number, or a percentage of them.",
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 9999,
            "pattern": "^([1-9][0-9]{0,3}|[1-9][0-9]?%|100%)$",
            "patternErrorMessage": 'a number of hosts from 1, or a percentage such as "50%"',
            "default": 1,
        },
        "min_healthy_time": {
            "description": "Seconds a changed host must stay healthy before it counts as good.",
            "type": "number",
            "minimum": 0,
            "maximum": LONGEST,
        },
        "healthy_deadline": {
            "description": "Seconds within which a changed host must have become healthy.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST,
            "default": 60,
        },
        "progress_deadline": {
            "description": "Seconds for the whole way out, builds and pulls included; waiting for "
            "`fraisier resume` does not count.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST,
            "default": 600,
        },
        "rollback_deadline": {
            "description": "Seconds for the way back, which begin with it; as progress_deadline "
            "when left out.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST,
        },
        "canary": {
            "description": "The steps of the strategy canary, with rising weights.",
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": CANARY_STEP,
        },
        "analysis": {
            "description": "What is measured in every step of a canary that lasts seconds.",
            "type": "array",
            "maxItems": 50,
            "items": ANALYSIS,
        },
    },
)
