"""A folder with configuration files in it, and what loading them gives."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from fraisier.config import load
from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import ConfigurationError

GOOD = """\
fraises:
  my_api:
    type: api
    git_repo: /srv/git/my-api
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts: [{hostname: one.example.com, username: deploy}]
          service_name: my-api
          app_path: /opt/my-api
"""

BOAT = """\
name: boat
description: Ships it.
playbooks: {deploy: harbour.boat.deploy}
role: harbour.boat.boat
capabilities: {strategies: [recreate, canary], default_strategy: recreate}
schema:
  type: object
  additionalProperties: false
  required: [port]
  properties:
    port: {type: string, description: Where it lands., pattern: "^[a-z]+$"}
    hosts: {type: array, description: The crews., items: {$ref: "#/$defs/crew"}}
    speed: {type: integer, description: In knots., default: 7}
    sails:
      description: What pulls it.
      type: object
      additionalProperties: false
      properties:
        main: {type: boolean, description: The great one., default: true}
      default: {}
  $defs:
    crew:
      type: object
      additionalProperties: false
      required: [hostname]
      properties:
        hostname: {type: string, description: The ship.}
        port: {type: integer, description: Of SSH., default: 2222}
"""


class Files:
    """A folder with a fraises.yaml; `environ` is all that loading sees of the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "fraises.yaml"
        self.environ: dict[str, str] = {}

    def write(self, text: str, name: str = "fraises.yaml") -> Path:
        """Write a file of the folder and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def load(self, text: str | None = None) -> Catalogue:
        """Load the folder's fraises.yaml, written first when a text is given."""
        if text is not None:
            self.write(text)
        return load(str(self.path), environ=self.environ, cwd=self.folder)

    def problems(self, text: str | None = None) -> list[str]:
        """Return `line: path: message` of everything that is wrong."""
        with pytest.raises(ConfigurationError) as caught:
            self.load(text)
        return [
            f"{problem.line}: {problem.path}: {problem.message}"
            if problem.path
            else f"{problem.line}: {problem.message}"
            for problem in caught.value.problems
        ]


def changed(pieces: dict[str, str]) -> str:
    """Return the good file with pieces of its text replaced; each must be in it exactly once."""
    text = GOOD
    for old, new in pieces.items():
        assert text.count(old) == 1, f"{old!r} is not in the file exactly once"
        text = text.replace(old, new)
    return text


def with_config(*lines: str) -> str:
    """Return the good file with lines added to its provider_config."""
    return GOOD + "".join(f"          {line}\n" for line in lines)
