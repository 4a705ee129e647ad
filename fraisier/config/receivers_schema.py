"""What the keys `webhooks` and `notifications` of `fraises.yaml` may hold, as JSON Schema."""

from __future__ import annotations

from fraisier.config.grammar import NAME, NAME_RULE, mapping_of, reference
from fraisier.domain.catalogue import Json
from fraisier.domain.delivery import ALL_OF_DEPLOYMENTS, CHATS, EMAIL, ENDS

EVENT = r"^[a-z*][a-z_*]*(\.[a-z_*]+)*$"
_MAIL: Json = {
    "type": "string",
    "pattern": r"^[^\x00-\x1f\x7f]*[^@\s,<>]+@[A-Za-z0-9.-]+>?$",
    "patternErrorMessage": "an address such as team@example.com",
}


def _either(given: Json) -> Json:
    """Return the schema of a reference to a secret, or of plain text."""
    return {**given, "anyOf": [{"type": "string", "minLength": 1}, *given["anyOf"]]}


def _names(description: str, pattern: str, rule: str) -> Json:
    item = {"type": "string", "pattern": pattern, "patternErrorMessage": rule}
    return {"description": description, "type": "array", "items": item, "minItems": 1}


def _common(default: tuple[str, ...]) -> Json:
    rule = "an event's type or a pattern of them, such as deployment.*"
    return {
        "name": {
            "description": "What the CLI, the API and the log call it.",
            "type": "string",
            "pattern": f"^{NAME}$",
            "patternErrorMessage": NAME_RULE,
        },
        "events": {
            **_names("Which events it is told of: types, or patterns with `*`.", EVENT, rule),
            "default": list(default),
        },
        "fraises": _names("Only those of these fraises.", f"^{NAME}$", NAME_RULE),
        "environments": _names("Only those of these environments.", f"^{NAME}$", NAME_RULE),
    }


_SECRET = "Signs what is sent: `whsec_` and base64, or any text of 24 bytes and more; a reference."  # noqa: S105
WEBHOOKS: Json = {
    "type": "array",
    "items": mapping_of(
        {
            "url": _either(reference("Where events are posted: an https URL, or a reference.")),
            "secret": reference(_SECRET),
            "old_secrets": {
                "description": "While a secret is replaced: those that receivers may still know. "
                "Each signs too.",
                "type": "array",
                "items": reference("A secret that is being replaced."),
            },
            **_common(ALL_OF_DEPLOYMENTS),
        },
        required=("url", "secret"),
    ),
}
NOTIFICATIONS: Json = {
    "type": "array",
    "items": mapping_of(
        {
            "type": {"description": "Where people are told.", "enum": [*CHATS, EMAIL]},
            "url": _either(
                reference(
                    "The URL that the chat gave for its incoming webhook, a reference; for email "
                    "smtps://USER:PASSWORD@HOST or smtp://HOST, plain where it has no password."
                )
            ),
            "template": {
                "description": "The message, with names in braces such as {fraise} and {status}.",
                "type": "string",
                "minLength": 1,
            },
            "from": {"description": "The sender of email.", **_MAIL},
            "to": {
                "description": "Who gets email.",
                "type": "array",
                "items": _MAIL,
                "minItems": 1,
                "maxItems": 50,
            },
            **_common(ENDS),
        },
        required=("type", "url"),
    ),
}
