"""How a server is put together: nothing in it copies the configuration when it is built."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from fraisier.api import create_app
from fraisier.config.settings import Settings
from fraisier.domain.catalogue import Catalogue
from fraisier.domain.worker import NewWorker
from fraisier.engine.current import CurrentCatalogue
from fraisier.engine.queue import Stop
from fraisier.wiring import Application
from support.fakes import make_catalogue, make_target


class Watched(CurrentCatalogue):
    """A catalogue that remembers what it was asked for."""

    def __init__(self, first: Catalogue) -> None:
        super().__init__(first)
        self.read: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name == "now" or name in {each.name for each in fields(Catalogue)}:
            super().__getattribute__("read").append(name)
        return super().__getattribute__(name)


def test_a_server_is_built_without_a_look_at_what_may_change(tmp_path: Path) -> None:
    """Class of a fault of 0.1.0: what read it when it was built never saw a change of the file."""
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    application = Application(Settings(), str(tmp_path / "fraises.yaml"))
    watched = Watched(make_catalogue(make_target()))
    application.__dict__["catalogue"] = watched
    worker = application.queue_worker(NewWorker("w", "serve", {}, 1), 0)
    services = application.services(worker, Stop())
    client = create_app(services).test_client()
    # where the file is does not change; to say that, it looks at the catalogue of now
    assert watched.read == ["path", "now"] * watched.read.count("path")
    (health,) = [chore for chore in worker._chores if chore._name == "health-0"]
    watched.read.clear()
    health._work()
    assert "now" in watched.read, "monitoring asks each time"
    assert client.get("/health/providers").get_json()["providers"] == {
        "bare_metal": {"status": "ok"}
    }
    watched.take(Catalogue("fraises.yaml", {}, {}))
    assert client.get("/health/providers").get_json()["providers"] == {}
