"""A fake Coolify: a real HTTP server that holds both sides to the published document.

What the document does not say, and is believed from Coolify's public source: the abilities of a
token and its 403, the words of `status`, `status` and `logs` only where they may be read, which
fields a deployment fills, that a second request for the same commit begins nothing. From the same
source: previews of pull requests are in the list of deployments and run beside the application, a
server's full queue is answered with the id of a deployment that is never made, and a digest is a
name that ends in @sha256 or a tag that begins with sha256-.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from support.coolify_document import Operation
from support.coolify_wire import TOKEN, Fault, Json, Wire

__all__ = ["TOKEN", "App", "Coolify", "Fault", "coolify"]
UNDER_WAY = ("queued", "in_progress")


@dataclass
class App:
    """An application or (`stack`) a service. `status` is what it says from the next deployment on.

    `ends`: how a deployment ends: finished, failed, never, cancelled (by somebody else). It takes
    `looks` looks at it. `heads`: what the newest commit of the branch is.
    """

    uuid: str
    data: Json
    stack: bool = False
    envs: dict[str, Json] = field(default_factory=dict)
    deployments: list[Json] = field(default_factory=list)
    healthy: str = "running:healthy"
    ends: str = "finished"
    looks: int = 2
    head: str = "f" * 40
    image_that_runs: str = ""
    commit_that_runs: str = ""


class Coolify(Wire):
    """The server and all that it knows; tests read and change its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.apps: dict[str, App] = {}
        self.queue_limit = 25
        self.concurrent_builds = 2
        self._numbers = count(1)

    # --- what is there --------------------------------------------------------------------

    def add_git(self, uuid: str = "app-git", commit: str = "HEAD") -> App:
        """Add an application that is built from git, and not deployed yet."""
        data = {"git_commit_sha": commit, "git_repository": "my-org/my-api", "git_branch": "main"}
        return self._add(uuid, {**data, "build_pack": "nixpacks"})

    def add_image(
        self,
        uuid: str = "app-image",
        tag: str = "1.0",
        name: str = "registry.example.com/my-org/api",
    ) -> App:
        """Add an application that runs an image, and is not deployed yet."""
        data = {"docker_registry_image_name": name, "docker_registry_image_tag": tag}
        return self._add(uuid, {**data, "build_pack": "dockerimage"})

    def add_stack(self, uuid: str = "svc-stack") -> App:
        """Add a service: a Compose stack."""
        app = self._add(uuid, {"config_hash": "c0ffee", "service_type": "uptime-kuma"})
        app.stack = True
        return app

    def _add(self, uuid: str, data: Json) -> App:
        common = {
            "uuid": uuid,
            "name": f"my {uuid}",
            "status": "exited",
            "health_check_enabled": True,
        }
        self.apps[uuid] = App(uuid, common | data)
        return self.apps[uuid]

    def by_hand(self, app: App, status: str = "in_progress", **more: Any) -> Json:
        """Have somebody else begin a deployment, or have had one."""
        found = self._deployment(app, api=False) | {"status": status} | more
        found["left"] = 10**9
        app.deployments.append(found)
        if status == "finished" and not found["pull_request_id"]:
            self._runs(app, found)
        return found

    def preview(self, app: App, commit: str, status: str = "finished", number: int = 7) -> Json:
        """Have a preview of a pull request begin, or have ended, beside the application."""
        return self.by_hand(app, status, commit=commit, pull_request_id=number)

    def fill_queue(self) -> list[Json]:
        """Have the deployments of another application wait that the server's queue is full."""
        other = self.apps.get("app-other") or self.add_git("app-other")
        return [self.by_hand(other, "queued") for _each in range(self.queue_limit)]

    def add_variable(self, app: App, key: str, value: str) -> None:
        """Have somebody set a variable."""
        env = {"uuid": f"env-{next(self._numbers)}", "key": key, "is_preview": False}
        app.envs[key] = env | {"value": value, "real_value": value}

    # --- operations -----------------------------------------------------------------------

    def act(
        self, called: Operation, query: dict[str, list[str]], body: Any, may: set[str]
    ) -> tuple[int, Any]:
        """Carry a request out."""
        name = called.name.replace("{", "").replace("}", "")
        return self._acts()[name](called.named, query, body, may)

    def _acts(self) -> dict[str, Callable[..., tuple[int, Any]]]:
        both = {
            f"{method} /{kind}/uuid{rest}": act
            for kind in ("applications", "services")
            for method, rest, act in (
                ("GET", "", self._get),
                ("GET", "/envs", self._envs),
                ("PATCH", "/envs/bulk", self._set_envs),
                ("DELETE", "/envs/env_uuid", self._delete_env),
                ("POST", "/stop", self._stop),
            )
        }
        return {
            **both,
            "PATCH /applications/uuid": self._patch,
            "POST /applications/uuid/start": self._start,
            "POST /services/uuid/restart": self._restart,
            "GET /deployments/uuid": self._deployment_by_uuid,
            "POST /deployments/uuid/cancel": self._cancel,
            "GET /deployments/applications/uuid": self._list,
        }

    def _found(self, named: Json) -> App | None:
        return self.apps.get(named["uuid"])

    def _get(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        return (200, app.data) if app else (404, {"message": "Resource not found."})

    def _patch(self, named: Json, _query: Json, body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        app.data |= body
        return 200, {"uuid": app.uuid}

    def _envs(self, named: Json, _query: Json, _body: Any, may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        hidden = () if "read:sensitive" in may else ("value", "real_value")
        shown = [{k: v for k, v in env.items() if k not in hidden} for env in app.envs.values()]
        return 200, shown

    def _set_envs(self, named: Json, _query: Json, body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        for env in body["data"]:
            known = app.envs.get(env["key"], {"uuid": f"env-{next(self._numbers)}"})
            app.envs[env["key"]] = known | env | {"real_value": env["value"]}
        return 201, list(app.envs.values())

    def _delete_env(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        mine = [
            key
            for key, env in (app.envs if app else {}).items()
            if env["uuid"] == named["env_uuid"]
        ]
        if app is None or not mine:
            return 404, {"message": "Environment variable not found."}
        del app.envs[mine[0]]
        return 200, {"message": "Environment variable deleted."}

    def _stop(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        app.data["status"] = "exited"
        return 200, {"message": "Application stopping request queued."}

    def _restart(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        app.data["status"] = app.healthy
        return 200, {"message": "Service restarting request queued."}

    def _start(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Resource not found."}
        new = self._deployment(app, api=True)
        if self._count("queued") < self.queue_limit:
            busy = [d for d in app.deployments if d["status"] in UNDER_WAY and _same_place(d, new)]
            if any(each["wanted"] == new["wanted"] for each in busy):
                return 200, {"message": "Deployment already queued for this commit."}
            app.deployments.append(new)
            self._next(app, new)
        return 200, {
            "message": "Deployment request queued.",
            "deployment_uuid": new["deployment_uuid"],
        }

    def _count(self, status: str) -> int:
        return sum(d["status"] == status for app in self.apps.values() for d in app.deployments)

    def _next(self, app: App, each: Json) -> None:
        """Begin a deployment that waits, where nothing is in its way."""
        before = [d for d in app.deployments if d["status"] == "in_progress"]
        busy = any(_same_place(each, other) for other in before)
        if not busy and self._count("in_progress") < self.concurrent_builds:
            each["status"] = "in_progress"

    def _deployment(self, app: App, *, api: bool) -> Json:
        number = next(self._numbers)
        wanted = app.data.get("git_commit_sha") or "HEAD"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_800_000_000 + number))
        secrets = [env["value"] for env in app.envs.values()]
        image = app.data.get("build_pack") == "dockerimage"
        what = f"Starting deployment of {image_of(app)} to s1." if image else f"Building {wanted}."
        return {
            "deployment_uuid": f"dep{number:04d}",
            "status": "queued",
            "commit": wanted,
            "wanted": wanted,
            "is_api": api,
            "pull_request_id": 0,
            "docker_registry_image_tag": None,
            "created_at": f"{stamp}.000000Z",
            "logs": [
                {"output": what, "type": "stdout", "hidden": False},
                {"output": f"env: {secrets}", "type": "stdout", "hidden": True},
                {"output": f"Said in the open: {secrets}", "type": "stdout", "hidden": False},
            ],
            "left": app.looks,
        }

    def _deployment_by_uuid(
        self, named: Json, _query: Json, _body: Any, may: set[str]
    ) -> tuple[int, Any]:
        for app in self.apps.values():
            for each in app.deployments:
                if each["deployment_uuid"] == named["uuid"]:
                    self._go_on(app, each)
                    return 200, self._shown(each, may)
        return 404, {"message": "Deployment not found."}

    def _go_on(self, app: App, each: Json) -> None:
        if each["status"] not in UNDER_WAY:
            return
        each["left"] -= 1
        if each["status"] == "queued":
            self._next(app, each)
        elif each["left"] <= 0 and app.ends != "never":
            broken = "@sha256@" in image_of(app)
            if each["commit"] == "HEAD" and "git_commit_sha" in app.data:
                each["commit"] = app.head
            ends = "failed" if broken else app.ends
            each["status"] = "cancelled-by-user" if ends == "cancelled" else ends
            each["logs"] += [{"output": f"It {each['status']}.", "type": "stderr", "hidden": False}]
            if each["status"] == "finished" and not each["pull_request_id"]:
                self._runs(app, each)

    def _runs(self, app: App, each: Json) -> None:
        app.data["status"] = app.healthy
        app.image_that_runs = image_of(app)
        app.commit_that_runs = each["commit"]

    def _shown(self, each: Json, may: set[str]) -> Json:
        hidden = {"left", "wanted"} | (set() if "read:sensitive" in may else {"logs"})
        shown = {key: value for key, value in each.items() if key not in hidden}
        return shown | ({"logs": json.dumps(each["logs"])} if "logs" in shown else {})

    def _cancel(self, named: Json, _query: Json, _body: Any, _may: set[str]) -> tuple[int, Any]:
        for app in self.apps.values():
            for each in app.deployments:
                if each["deployment_uuid"] == named["uuid"]:
                    if each["status"] not in UNDER_WAY:
                        why = f"Deployment cannot be cancelled. Current status: {each['status']}"
                        return 400, {"message": why}
                    each["status"] = "cancelled-by-user"
                    return 200, {
                        "message": "Deployment cancelled successfully.",
                        "deployment_uuid": each["deployment_uuid"],
                        "status": each["status"],
                    }
        return 404, {"message": "Deployment not found."}

    def _list(self, named: Json, query: Json, _body: Any, may: set[str]) -> tuple[int, Any]:
        app = self._found(named)
        if app is None:
            return 404, {"message": "Application not found"}
        skip, take = (int(query.get(key, [d])[0]) for key, d in (("skip", 0), ("take", 10)))
        newest = [self._shown(each, may) for each in reversed(app.deployments)][skip : skip + take]
        return 200, {"count": len(app.deployments), "deployments": newest}


def image_of(app: App) -> str:
    """Return the image that an application runs by its settings."""
    name = app.data.get("docker_registry_image_name", "")
    tag = app.data.get("docker_registry_image_tag") or "latest"
    if tag.startswith("sha256-"):
        return f"{name}@sha256:{tag.removeprefix('sha256-')}"
    return f"{name}:{tag}"


def _same_place(one: Json, other: Json) -> bool:
    return bool(one["pull_request_id"] == other["pull_request_id"])


@contextmanager
def coolify() -> Iterator[Coolify]:
    """Yield a fake that answers, and see afterwards that both sides kept to the document."""
    server = Coolify()
    server.start()
    try:
        yield server
        assert not server.broken, server.broken
    finally:
        server.close()
