"""The pieces that the schema of `fraises.yaml` is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fraisier.domain.catalogue import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME = "[A-Za-z][A-Za-z0-9_-]{0,62}"
NAME_RULE = "a name: a letter first, then letters, digits, - and _, at most 63 characters"
LABEL_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
LABEL_RULE = "letters, digits, dots, - and _, at most 63 characters"
#: A week, in seconds: no deployment is meant to take longer.
LONGEST = 7 * 24 * 3600

#: `x-` keys are the user's own, on every level of ours.
EXTENSION = "^x-"


def mapping_of(properties: Json, required: Iterable[str] = ()) -> Json:
    """Return the schema of a mapping with exactly these keys."""
    schema: Json = {
        "type": "object",
        "properties": properties,
        "patternProperties": {EXTENSION: {}},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = list(required)
    return schema


def named(item: Json, **more: Any) -> Json:
    """Return the schema of a mapping from names that the user chooses to `item`."""
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^(x-.*|{NAME})$", "patternErrorMessage": NAME_RULE},
        "patternProperties": {EXTENSION: {}},
        "additionalProperties": item,
        **more,
    }


def reference(description: str) -> Json:
    """Return the schema of a reference to a secret: `{env: …}`, `{file: …}` or `{vault: …}`."""
    places = {
        "env": "The variable of Fraisier's own environment that holds the secret.",
        "file": "The file that holds the secret, beside fraises.yaml or elsewhere.",
        "vault": "The secret as Ansible Vault text, or a file of it.",
    }
    kinds = [
        mapping_of({kind: {"description": text, "type": "string", "minLength": 1}}, (kind,))
        for kind, text in places.items()
    ]
    return {"description": description, "anyOf": kinds}


LABEL: Json = {
    "type": "string",
    "pattern": f"^{LABEL_PATTERN}$",
    "patternErrorMessage": LABEL_RULE,
}
