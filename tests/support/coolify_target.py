"""A target at a fake Coolify: its fraises.yaml, the command, and what is remembered of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from support.command import Fraisier, Result
from support.coolify import TOKEN, App, Coolify

STATE = Path(
    "/var/lib/fraisier/coolify" if os.geteuid() == 0 else "~/.local/state/fraisier/coolify"
)
SECRET = "a-secret-variable-that-stays-out-of-everything"


@dataclass
class CoolifyTarget:
    """`my_api production`, an application or service of a Coolify."""

    folder: Path
    server: Coolify
    app: App
    fraisier: Fraisier = field(init=False)
    _places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        known = {"COOLIFY_TOKEN": TOKEN, "DATABASE_URL": SECRET}
        self.fraisier = Fraisier(self.folder, environment=known)
        self.configure()

    def configure(self, environment: dict[str, Any] | None = None, **provider: Any) -> None:
        """Write fraises.yaml; arguments replace parts of the configuration, None removes them."""
        config: dict[str, Any] = {
            "url": self.server.url,
            "token": {"env": "COOLIFY_TOKEN"},
            "service_uuid" if self.app.stack else "application_uuid": self.app.uuid,
            "poll_interval": 0.1,
            "request_timeout": 2,
            "env_vars": {"LOG_LEVEL": "info", "DATABASE_URL": {"env": "DATABASE_URL"}},
            **provider,
        }
        uuid = config.get("application_uuid", config.get("service_uuid"))
        self._places.add(f"{urlsplit(config['url']).netloc.replace(':', '_')}_{uuid}")
        production = {
            "provider": "coolify",
            "strategy_config": {"healthy_deadline": 3},
            "provider_config": {k: v for k, v in config.items() if v is not None},
            **(environment or {}),
        }
        fraise = {"git_repo": "./", "environments": {"production": production}}
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump({"fraises": {"my_api": fraise}}))

    def deploy(self, *options: str, **environment: str) -> Result:
        """Run `fraisier deploy my_api production`."""
        return self.fraisier("deploy", "my_api", "production", *options, **environment)

    def good(self, *options: str, **environment: str) -> Result:
        """Deploy, and see that it succeeded."""
        result = self.deploy(*options, **environment)
        assert result.code == 0, result.said
        return result

    def last(self) -> dict[str, Any]:
        """Return the newest deployment as the history has it."""
        found = self.fraisier("--json", "history", "my_api", "production", "--limit", "1").json
        deployment: dict[str, Any] = found["deployments"][0]
        return deployment

    def begun(self) -> int:
        """Return how many deployments Fraisier has begun at Coolify."""
        return sum(each["is_api"] for each in self.app.deployments)

    def states(self) -> list[Path]:
        """Return the folders of what this machine remembers of what was configured here."""
        return [folder for folder in STATE.expanduser().glob("*") if folder.name in self._places]

    def remove(self) -> None:
        """Forget what this machine remembers of it."""
        for folder in self.states():
            shutil.rmtree(folder)
