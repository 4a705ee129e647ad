"""From a `git push` to the hosts, and on to those who listen: one story with one trace id."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from documents import TOP, Session
from standardwebhooks import Webhook

from support.databases import NatsServer
from support.pages import Page
from support.pushing import SECRET, github
from support.receiving import OK, Listening, listening, saying
from support.server import Server, serving
from support.target import Target, until

KEY = "whsec_" + "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
PAGE = Page(TOP / "docs/WEBHOOK_REFERENCE.md")
#: What a git host does after a push, as a hook of a bare repository.
HOOK = """\
#!{python}
import hashlib, hmac, json, sys, urllib.request, uuid
payload = json.loads({payload!r})
for line in sys.stdin:
    before, after, ref = line.split()
    head = {{"id": after, "message": "pushed"}}
    payload.update(before=before, after=after, ref=ref, head_commit=head, commits=[head])
    body = json.dumps(payload).encode()
    signature = hmac.new({secret!r}.encode(), body, hashlib.sha256).hexdigest()
    headers = {{
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + signature,
    }}
    request = urllib.request.Request({url!r}, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        with open({said!r}, "a") as said:
            said.write(answer.read().decode().strip() + "\\n")
"""


@pytest.fixture
def receiver() -> Iterator[Listening]:
    """Return a receiver of webhooks."""
    with listening(saying(OK)) as server:
        yield server


def configure(target: Target, receiver: Listening) -> None:
    """Let pushes of my-org/my-api deploy, and a receiver be told."""
    target.configure({"deploy_on": {"branch": "main", "repository": "my-org/my-api"}})
    file = target.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    document["git"] = {"github": {"webhook_secret": {"env": "GITHUB_WEBHOOK_SECRET"}}}
    url = receiver.url("/hook")
    document["webhooks"] = [{"name": "hook", "url": url, "secret": {"env": "HOOK_SECRET"}}]
    file.write_text(yaml.safe_dump(document))


def environment(nats_url: str) -> dict[str, str]:
    """Return the settings of a server that listens and tells."""
    return {
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "HOOK_SECRET": KEY,
        "FRAISIER_ALLOWED_NETWORKS": "127.0.0.0/8",
        "FRAISIER_NATS_URL": nats_url,
    }


def install_hook(target: Target, server: Server) -> Path:
    """Make the bare repository tell the server of every push; return what it was answered."""
    said = target.folder / "answers"
    url = f"{server.url}/api/v1/webhooks/github"
    hook = target.repository.path / "hooks" / "post-receive"
    values = {"payload": json.dumps(github()), "secret": SECRET, "url": url, "said": str(said)}
    hook.write_text(HOOK.format(python=sys.executable, **values))
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    return said


@contextmanager
def hearing(url: str) -> Iterator[list[dict[str, Any]]]:
    """Collect what a plain subscriber on `fraisier.>` hears."""
    heard: list[dict[str, Any]] = []
    ready, over = threading.Event(), threading.Event()

    async def work() -> None:
        client = await nats.connect(url)

        async def take(message: Any) -> None:
            heard.append(json.loads(message.data))

        await client.subscribe("fraisier.>", cb=take)
        await client.flush()
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.05)
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield heard
    finally:
        over.set()
        thread.join(10)


def test_a_push_is_deployed_and_told_of_with_one_trace_id(
    target: Target, receiver: Listening, nats_server: NatsServer, home: Path
) -> None:
    target.repository.commit("good")
    configure(target, receiver)
    settings = environment(nats_server.url)
    target.fraisier = replace(target.fraisier, environment=settings)
    with serving(target.fraisier) as server, hearing(nats_server.url) as heard:
        answers = install_hook(target, server)
        sha = target.repository.commit("good", {"note": "pushed"})
        answer = json.loads(answers.read_text())
        assert answer["status"] == "deployment_triggered", answer
        (made,) = answer["deployments"]
        ended = server.ended(made["deployment_id"])
        assert (ended["status"], ended["version"]) == ("success", sha)
        assert ended["triggered_by"] == "webhook:github"
        assert target.served(target.hosts[0]) == sha

        until(lambda: _told(heard, ended["id"]), 60)
        until(lambda: any(b"deployment.completed" in got.body for got in receiver.got), 60)
        mine = [each for each in heard if each.get("deployment_id") == ended["id"]]
        posted = [Webhook(KEY).verify(got.body, got.headers) for got in receiver.got]
        posted = [each for each in posted if each["deployment_id"] == ended["id"]]
        traces = {answer["trace_id"], ended["trace_id"]}
        traces |= {each["trace_id"] for each in mine}
        traces |= {each["data"]["trace_id"] for each in posted}
        assert traces == {answer["trace_id"]}

        story = server.send("GET", f"/deployments/{ended['id']}/events").json()["events"]
        wanted = {each["id"] for each in story}
        told = {each["event_id"]: each["event_type"] for each in mine}
        assert {told.pop(each) for each in wanted}, "the whole story is on NATS"
        assert {*told.values()} == {"audit.deploy"}, "and who asked for it"
        last = posted[-1]
        assert (last["event"], last["status"], last["version"]) == (
            "deployment.completed", "success", sha,
        )  # fmt: skip

        logged = server.send("GET", "/webhook-endpoints/hook/deliveries").json()["deliveries"]
        sent = next(each for each in logged if each["status"] == "delivered")
        read_as_a_reader(target, home, settings, answer["delivery"], sent["id"])
        until(lambda: _ids(receiver).count(sent["id"]) == 2, 60)


def _ids(receiver: Listening) -> list[str]:
    return [got.headers["webhook-id"] for got in receiver.got]


def _told(heard: list[dict[str, Any]], deployment: str) -> bool:
    ends = [each for each in heard if each["event_type"] == "deployment.completed"]
    return any(each["deployment_id"] == deployment for each in ends)


def read_as_a_reader(
    target: Target, home: Path, settings: dict[str, str], received: str, sent: str
) -> None:
    """Run the commands of the document, in its order, on what is here."""
    session = Session.create(target, home)
    blocks = [block.text for block in PAGE.blocks("bash")]
    assert len(blocks) == 4
    done = session.run(blocks, **settings, RECEIVED=received, SENT=sent)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for said in ("github", "branch main", "the test of hook got through", "is due now"):
        assert said in done.stdout, done.stdout


def test_a_command_alone_tells_before_it_ends(target: Target, receiver: Listening) -> None:
    target.repository.commit("good")
    configure(target, receiver)
    settings = {**environment(""), "FRAISIER_NATS_URL": ""}
    target.fraisier = replace(target.fraisier, environment=settings)
    assert target.deploy().code == 0
    posted = [json.loads(got.body)["event"] for got in receiver.got]
    assert posted[0] == "deployment.queued"
    assert posted[-1] == "deployment.completed"
    assert len(posted) == len(set(_ids(receiver)))
