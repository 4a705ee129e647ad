"""A service behind a server: looked at, restarted, saved, by the hosts that the server reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fraisier.cli.control import Json
from fraisier.cli.paths import place
from fraisier.cli.shapes import many, one
from fraisier.cli.transport import Transport
from fraisier.engine.tending import Where
from fraisier.engine.views import timestamp

#: Looking at hosts takes a minute or two where they are silent.
LOOK_SECONDS = 180.0
#: Restarting many hosts or putting data back may take this long.
TEND_SECONDS = 3600.0


class RemoteServices:
    """What a server does with services outside deployments."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def probe(self, where: Where) -> list[Json]:
        """Have the server look at the hosts."""
        return self._hosts(self._tend(f"{place(where)}/probe", {}))

    def app_status(self, where: Where) -> list[Json]:
        """Have the server ask the hosts."""
        return self._hosts(self._look(f"{place(where)}/app/status", host=where.host))

    def app_logs(
        self, where: Where, asked: Json, stop: Callable[[], bool], more: bool
    ) -> tuple[list[Json], Json]:
        """Have the server ask the hosts; `stop` and `more` make no difference there."""
        given = {**asked, "since": timestamp(_micro(asked.get("start")))}
        given.pop("start", None)
        answer = self._look(f"{place(where)}/app/logs", host=where.host, **given)
        return self._hosts(answer), {"next": one("log", answer)["next"]}

    def app_control(self, where: Where, verb: str, told: Callable[[Json], None]) -> Json:
        """Have the server do it; hear of the hosts at the end."""
        answer = self._tend(f"{place(where)}/app/{verb}", {"host": where.host})
        for host in self._hosts(answer):
            told(host)
        return one("controlled", answer)

    def app_exec(self, where: Where, argv: Sequence[str], timeout: float) -> list[Json]:
        """Have the server do it."""
        body = {"host": where.host, "command": list(argv), "timeout": timeout}
        return self._hosts(self._tend(f"{place(where)}/app/exec", body))

    def backups(self, where: Where) -> list[Json]:
        """Have the server ask the hosts."""
        return self._hosts(self._look(f"{place(where)}/backups", host=where.host))

    def take_backup(self, where: Where) -> list[Json]:
        """Have the server do it."""
        return self._hosts(self._tend(f"{place(where)}/backups", {"host": where.host}))

    def restore_backup(self, where: Where, backup_id: str) -> list[Json]:
        """Have the server do it."""
        body = {"host": where.host, "id": backup_id or None}
        return self._hosts(self._tend(f"{place(where)}/backups/restore", body))

    def _tend(self, path: str, body: Json) -> Json:
        """Wait for what can take minutes; it is sent once, as nothing tells whether it was done."""
        return self._http.post(path, body, seconds=TEND_SECONDS)

    def _hosts(self, answer: Json) -> list[Json]:
        return many("tended", answer, "hosts")

    def _look(self, path: str, **query: Any) -> Json:
        return self._http.wait_for(path, LOOK_SECONDS, **query)


def _micro(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000)
