"""S5: two hundred planted secrets are in no record, log, event, answer, message, metric or argv.

They are printed by a build's hook and by a service that dies, so each had its chance.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import nats
import pytest
import requests
import yaml
from sqlalchemy import MetaData, create_engine, select

from fraisier.runner.folder import PREFIX, base
from fraisier.store.migrate import migrate
from support.canaries import Hunt, arguments_of_processes, canary
from support.databases import PASSWORD, NatsServer, PostgresServer
from support.pushing import delivery
from support.receiving import OK, Listening, listening, saying
from support.server import Server, serving
from support.target import Target, until

ON_HOST = 166
#: A service that tells all that it knows, and dies.
#: A service that answers only whoever sends it two of its own secrets as headers.
GUARDED = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sent = [self.headers.get(name) for name in ("X-Api-Key", "Private-Key")]
        known = sent == [os.environ["SECRET_001"], os.environ["SECRET_000"]]
        print("asked with", sent, self.path, flush=True)
        self.send_response(200 if known else 401)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
LEAK = "import os, sys\nprint(sorted(os.environ.values()), flush=True)\nsys.exit('dead')\n"
READ = ("application/json", "text/event-stream")


@dataclass
class Planted:
    """Every secret there is, and the settings and files that hold them."""

    environment: dict[str, str] = field(default_factory=dict)
    every: list[str] = field(default_factory=list)

    def one(self, name: str = "", value: str = "") -> str:
        """Return another secret, in the environment where it has a name."""
        value = value or canary()
        self.every.append(value)
        if name:
            self.environment[name] = value
        return value


@pytest.fixture
def receiver() -> Iterator[Listening]:
    """Return a receiver of webhooks and chat messages."""
    with listening(saying(OK)) as server:
        yield server


@pytest.fixture
def secretive() -> Iterator[tuple[NatsServer, str]]:
    """Return a NATS server that asks for a password, and the password."""
    password = canary()
    server = NatsServer("--user", "fraisier", "--pass", password)
    yield server, password
    server.close()


def plant(target: Target, planted: Planted, receiver: Listening) -> list[Any]:
    """Write a configuration that refers to secrets wherever it can; return the files of secrets."""
    files, variables = [], {"PORT": "8000"}
    for number in range(ON_HOST):
        name = f"SECRET_{number:03}"
        if number % 2:
            planted.one(name)
            variables[name] = {"env": name}
        else:
            files.append(target.folder / f"secret-{number}")
            files[-1].write_text(f"{planted.one()}\n")
            files[-1].chmod(0o600)
            variables[name] = {"file": files[-1].name}
    hooks = {"post_deployment": [{"command": "env; false", "on_failure": "warn"}]}
    headers = {"X-Api-Key": {"env": "SECRET_001"}, "Private-Key": {"file": files[0].name}}
    url = "http://localhost:8000/health"
    check = {"type": "http", "url": url, "headers": headers}
    smoke = [{"url": url, "headers": headers}]
    on = {"branch": "main", "repository": "my-org/my-api", "provider": "github"}
    environment = {"deploy_on": on, "hooks": hooks, "smoke": smoke}
    target.configure(environment, env_vars=variables, health_check=check)
    write(target, {"git": git_hosts(planted), **receivers(planted, receiver)})
    return files


def git_hosts(planted: Planted) -> dict[str, Any]:
    """Return git hosts with secrets, old ones too."""
    hosts = {}
    for host in ("github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket"):
        names = [f"{host.upper()}_{number}" for number in range(4)]
        for name in names:
            planted.one(name)
        new, *old = [{"env": name} for name in names]
        hosts[host] = {"webhook_secret": new, "old_webhook_secrets": old}
    return hosts


def receivers(planted: Planted, receiver: Listening) -> dict[str, Any]:
    """Return webhooks and chats whose secrets and URLs are secrets."""
    for number in range(4):
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        planted.one(f"KEY_{number}", f"whsec_{key}")
    planted.environment["HOOK_URL"] = receiver.url(f"/hook/{planted.one()}")
    planted.environment["CHAT_URL"] = receiver.url(f"/chat/{planted.one()}")
    hook = {"name": "hook", "url": {"env": "HOOK_URL"}, "secret": {"env": "KEY_0"}}
    hook["old_secrets"] = [{"env": f"KEY_{number}"} for number in (1, 2, 3)]
    chat = {"type": "slack", "name": "chat", "url": {"env": "CHAT_URL"}, "events": ["deployment.*"]}
    return {"webhooks": [hook], "notifications": [chat]}


def write(target: Target, more: dict[str, Any]) -> None:
    """Add keys to the configuration."""
    file = target.folder / "fraises.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **more}))


@pytest.mark.cpu_seconds(40, reason="one test hunts all secrets in all that a server can tell")
def test_two_hundred_secrets_are_told_nowhere(
    target: Target,
    receiver: Listening,
    secretive: tuple[NatsServer, str],
    postgres_server: PostgresServer,
) -> None:
    """S5, S11, S14."""
    planted = Planted()
    streams, password = secretive
    files = plant(target, planted, receiver)
    records = postgres_server.new_database()
    migrate(records)
    planted.one(value=PASSWORD)
    planted.one(value=password)
    planted.one("AWS_SECRET_ACCESS_KEY")
    url = streams.url.replace("//", f"//fraisier:{password}@")
    settings = {
        **planted.environment,
        "FRAISIER_DATABASE_URL": records,
        "FRAISIER_NATS_URL": url,
        "FRAISIER_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    target.fraisier = replace(target.fraisier, environment=settings)
    target.repository.commit("good", {"app.py": GUARDED})
    with arguments_of_processes() as arguments, serving(target.fraisier) as server:
        planted.one(value=server.secret)
        good = server.deploy()
        assert server.ended(good)["status"] == "success"
        target.repository.commit("good", {"app.py": LEAK})
        bad = server.deploy()
        assert server.ended(bad)["status"] == "rolled_back"
        assert len(planted.every) == 200

        hunt = Hunt(planted.every)
        until(lambda: any(told(got.body, bad) for got in receiver.got), 90)
        hunt_answers(hunt, server, [good, bad])
        hunt_refusals(hunt, server, planted)
        hunt_commands(hunt, target, bad)
        events = asyncio.run(stored(url))
        hunt.add("server log", server.log.read_bytes())
    for got in receiver.got:
        hunt.add("webhooks", got.body + json.dumps(got.headers).encode())
    assert any(told(each, bad) for each in events)
    hunt.add("NATS", b"\n".join(events))
    hunt.add_files(streams.folder / "store")
    hunt.add("records", every_row(records))
    own = {target.folder / "fraises.yaml", *files}
    hunt.add_files(target.folder, own - {target.folder / "fraises.yaml"})
    for left in base().glob(f"{PREFIX}{server.process.pid}-*"):
        hunt.add_files(left)
    known = b"--pass\0" + password.encode()
    hunt.add("argv", b"\n".join(each for each in arguments if known not in each))

    journal = target.inside(target.hosts[0], "journalctl -u my-api --no-pager")
    printed = sum(each in journal for each in planted.every)
    assert printed == ON_HOST, "the service printed none, so nothing was tried"
    logs = hunt.places["GET /api/v1/deployments/{deployment_id}/logs"]
    assert logs.count(b"***") >= ON_HOST, "neither the hook's nor the service's words were told"
    assert hunt.found() == {}


def told(body: bytes, deployment: str) -> bool:
    """Return whether this says that a deployment has ended."""
    return deployment.encode() in body and b"deployment.completed" in body


def hunt_answers(hunt: Hunt, server: Server, deployments: Sequence[str]) -> None:
    """Read all that the API lets an administrator read, and the metrics."""
    document = server.send("GET", "/openapi.json").json()
    paths = [path for path, verbs in document["paths"].items() if "get" in verbs]
    assert len(paths) > 15
    for path in paths:
        for deployment in deployments:
            names = {"deployment_id": deployment, "fraise": "my_api", "environment": "production"}
            url = f"{server.url}{path}"
            for name, value in {**names, "name": "hook", "endpoint": "hook"}.items():
                url = url.replace(f"{{{name}}}", value)
            for wanted in READ:
                hunt.add(f"GET {path}", read(url, server.secret, wanted))


def read(url: str, secret: str, wanted: str) -> bytes:
    """Return an answer; of one that goes on, what came within a second."""
    headers = {"Authorization": f"Bearer {secret}", "Accept": wanted}
    got = b""
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(30, 30)) as answer:
            for chunk in answer.iter_content(None):
                got += chunk
                if b"event: end" in got:
                    break
    except requests.ConnectionError:
        assert got, url
    return got


def hunt_refusals(hunt: Hunt, server: Server, planted: Planted) -> None:
    """Be refused with secrets in hand: none comes back."""
    shown = planted.every[0]
    wish = {"fraise": "my_api", "environment": "production"}
    asked = [
        server.send("POST", "/deployments", {**wish, "password": shown}),
        server.send("POST", "/deployments", {**wish, "dry_run": True}),
        server.send("GET", f"/deployments?token={shown}"),
        server.send("GET", "/deployments", Authorization=f"Bearer {shown}"),
        server.send("GET", "/deployments", Authorization=f"Basic {shown}"),
    ]
    assert [each.status_code for each in asked] == [422, 200, 422, 401, 401]
    body, headers = delivery("gitlab")
    headers = {**headers, "X-Gitlab-Token": shown}
    hook = requests.post(f"{server.url}/api/v1/webhooks/gitlab", body, headers=headers, timeout=30)
    assert hook.status_code == 401
    for each in [*asked, hook]:
        hunt.add("refusals", each.content + json.dumps(dict(each.headers)).encode())


def hunt_commands(hunt: Hunt, target: Target, deployment: str) -> None:
    """Read all that the command line tells."""
    place = ("my_api", "production")
    for words in (
        ("-vv", "config", "show"),
        ("--json", "show", deployment),
        ("--json", "events", deployment),
        ("logs", deployment),
        ("--json", "status", *place),
        ("history", *place),
        ("--json", "plan", *place),
        ("doctor", *place),
        ("--json", "hosts", "probe", *place),
        ("webhook", "list"),
        ("webhook", "deliveries", "hook"),
        ("db", "status"),
        ("db", "backup", "records.backup"),
    ):
        said = target.fraisier(*words)
        assert "Traceback" not in said.said, words
        hunt.add(f"fraisier {' '.join(words)}", said.said)


async def stored(url: str) -> list[bytes]:
    """Return all that JetStream keeps, headers included."""
    client = await nats.connect(url)
    stream = client.jetstream()
    found = []
    for name in [each.config.name for each in await stream.streams_info()]:
        info = await stream.stream_info(name)
        for number in range(max(info.state.first_seq, 1), info.state.last_seq + 1):
            message = await stream.get_msg(name, number)
            found.append((message.data or b"") + json.dumps(message.headers or {}).encode())
    await client.close()
    return found


def every_row(url: str) -> str:
    """Return all that is in a database, as text."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [str(row) for table in tables.sorted_tables
                for row in connection.execute(select(table))]  # fmt: skip
    engine.dispose()
    assert len(rows) > 100
    return "\n".join(rows)
