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

FULL = """\
plugin: fraisier.deploy.fraises
x-hosts:
  port: &port 2200
fraises:
  my_api:
    type: api
    description: The public API
    git_provider: github
    git_repo: my-org/my-api
    git_branch: release/2
    x-owner: the platform team
    environments:
      production:
        provider: bare-metal
        strategy: recreate
        strategy_config: {max_parallel: 50%, min_healthy_time: 5, progress_deadline: 300}
        auto_rollback: false
        on_busy: reject
        region: eu-west-1
        provider_config:
          hosts:
            - hostname: 10.0.0.1
              name: one
              port: *port
              username: deploy
              ssh_key_path: keys/id
              x-rack: 4
            - {hostname: 10.0.0.2, ssh_key_path: ~/.ssh/id}
          known_hosts: ./known_hosts
          service_name: my-api
          systemd_service: api.service
          app_path: /opt/my-api
          build: ["make $${HOME}", [make, install]]
          build_timeout: ${BUILD_TIMEOUT:-60}
          exec: [bin/start.sh]
          become: false
          shared: [uploads]
          health_check: {type: tcp, port: 8000}
          env_vars:
            LOG_LEVEL: ${LEVEL:-info}
            DEBUG: true
            WORKERS: 4
            URL: {env: MY_API_URL}
            KEY: {file: ./key}
            CERT: {vault: cert.vault}
          keep_releases: 3
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
